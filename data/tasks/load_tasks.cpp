#include <algorithm>
#include <filesystem>
#include <map>

#include "data/file_kinds.h"
#include "data/tasks/mmlu.h"
#include "data/tasks/split_files.h"
#include "data/tasks/task.h"
#include "data/tasks/task_rows.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

bool is_mmlu(const TaskKind& kind) {
  return kind.name == std::string(kMmlu);
}

// A row as its file has it.
struct RawRow {
  std::string where;
  Json row;
};

std::vector<RawRow> read_raw(const std::string& path, const TaskKind& kind) {
  std::vector<RawRow> rows;
  const FileKind& file = find_file_kind(path);
  if (is_mmlu(kind) && file.each_row == each_csv_row) {
    each_csv_record(path, [&](const std::string& where, const std::vector<std::string>& fields) {
      rows.push_back({where, mmlu_row(fields, where)});
      return true;
    });
  } else {
    file.each_row(path, [&](const std::string& where, const std::function<Json()>& read) {
      rows.push_back({where, read()});
      return true;
    });
  }
  return rows;
}

// Where the rows of one split of one task lie.
struct Source {
  std::vector<std::string> paths;
  std::string subject;   // of their rows, for files that hold several; "": all rows
  bool unnamed = false;  // rows that name no subject are of this one

  bool has(const RawRow& raw) const {
    if (subject.empty() || (unnamed && !raw.row.contains("subject"))) return true;
    return json_string(raw.row, "subject", raw.where) == subject;
  }
};

// Files are read once, although several subjects may lie in one.
class Reader {
 public:
  Reader(const TaskKind& kind, Protocol protocol) : kind_(kind), protocol_(protocol) {}

  // The first rows (limit 0: all) of a file, of the source's subject alone where it has one.
  std::vector<Doc> read(const std::string& path, const Source& source, int64_t limit) {
    const auto [found, added] = files_.try_emplace(path);
    if (added) found->second = read_raw(path, kind_);
    std::vector<Doc> docs;
    for (const RawRow& raw : found->second) {
      if (limit > 0 && int64_t(docs.size()) == limit) break;
      if (!source.has(raw)) continue;
      docs.push_back(kind_.read(raw.row, raw.where, protocol_));
    }
    return docs;
  }

 private:
  const TaskKind& kind_;
  Protocol protocol_;
  std::map<std::string, std::vector<RawRow>> files_;
};

// Several files are shards of one.
void check_shards(const std::vector<std::string>& paths) {
  for (const std::string& path : paths)
    if (whole_file(path) != whole_file(paths[0]))
      throw Error(paths[0] + " and " + path +
                  " both say that they hold these questions; name the file that is meant");
}

// The files of the first of the splits that is there: of this config or subject, or else of none.
Source find_source(const std::vector<SplitFile>& files, const std::vector<std::string>& splits,
                   const std::string& config, const std::string& subject) {
  for (const std::string& split : splits) {
    for (const std::string& wanted : {config, std::string("all"), std::string()}) {
      Source source{{}, wanted == subject ? "" : subject};
      for (const SplitFile& file : files)
        if (file.split == split && file.config == wanted) source.paths.push_back(file.path);
      check_shards(source.paths);
      if (!source.paths.empty()) return source;
    }
  }
  return {};
}

std::vector<Doc> read_all(Reader& reader, const Source& source, int64_t limit) {
  std::vector<Doc> docs;
  for (const std::string& path : source.paths) {
    const int64_t left = limit > 0 ? limit - int64_t(docs.size()) : 0;
    if (limit > 0 && left == 0) break;
    auto more = reader.read(path, source, left);
    std::move(more.begin(), more.end(), std::back_inserter(docs));
  }
  return docs;
}

int64_t num_shots(const TaskRequest& request, const TaskKind& kind) {
  return request.num_fewshot.value_or(kind.num_fewshot);
}

// What is loaded: a task of its own or one subject of MMLU.
struct Wanted {
  const TaskRequest& request;
  const TaskKind& kind;
  std::string subject;                  // "": no task of MMLU
  const std::vector<SplitFile>& files;  // of the directory; none: request.data is a file

  std::string name() const { return subject.empty() ? request.name : subject; }
  std::string config() const { return subject.empty() ? kind.hub_config : subject; }
};

// How many subjects are asked of each path: of one alone a file may hold nothing else, and not say
// so.
class Subjects {
 public:
  void add(const std::string& path, size_t count) { counts_[fs::weakly_canonical(path)] += count; }
  Source file(const std::string& path, const Wanted& w) const {
    const auto found = counts_.find(fs::weakly_canonical(path));
    return {{path}, w.subject, found != counts_.end() && found->second == 1};
  }

 private:
  std::map<fs::path, size_t> counts_;
};

struct AllSubjects {
  Subjects of_questions, of_shots;
};

AllSubjects count_subjects(const std::vector<TaskRequest>& requests) {
  AllSubjects all;
  for (const TaskRequest& request : requests) {
    const size_t count = mmlu_subjects_of(request.name).size();  // none of other kinds
    all.of_questions.add(request.data, count);
    if (!request.shots_data.empty()) all.of_shots.add(request.shots_data, count);
  }
  return all;
}

Source questions_of(const Wanted& w, const Subjects& subjects) {
  if (w.files.empty()) return subjects.file(w.request.data, w);
  Source source = find_source(w.files, w.kind.splits, w.config(), w.subject);
  if (!source.paths.empty()) return source;
  const std::string& split = w.kind.splits[0];
  throw Error(w.request.data + ": no " + split + " questions of " + w.name() + "; expected " +
              (w.subject.empty() ? split + ".jsonl or " + split + "-*.parquet"
                                 : split + "/" + w.subject + "_" + split + ".csv or " + w.subject +
                                       "/" + split + "-*.parquet"));
}

std::vector<Doc> shots_of(const Wanted& w, const Subjects& subjects, Reader& reader) {
  const int64_t count = num_shots(w.request, w.kind);
  if (count == 0 && !w.request.shots_data.empty())
    throw UsageError(w.request.shots_data + ": shots for " + w.request.name +
                     (w.request.num_fewshot
                          ? ", but num_fewshot is 0"
                          : ", which takes none unless num_fewshot says how many"));
  if (count == 0) return {};
  const std::string shots = std::to_string(count) + " shots";
  if (w.kind.shot_splits.empty())
    throw UsageError(w.request.name + " takes no shots: ask it by itself, with num_fewshot 0");
  const Source source = w.request.shots_data.empty()
                            ? find_source(w.files, w.kind.shot_splits, w.config(), w.subject)
                            : subjects.file(w.request.shots_data, w);
  if (source.paths.empty())
    throw Error(w.request.data + ": no " + one_of(w.kind.shot_splits) + " questions of " +
                w.name() + " for " + shots + "; name a file of shots, or ask for none");
  std::vector<Doc> docs = read_all(reader, source, 0);
  if (int64_t(docs.size()) < count)
    throw Error(source.paths[0] + ": has " + std::to_string(docs.size()) + " questions of " +
                w.name() + ", too few for " + shots);
  return docs;
}

std::vector<Task> load_request(const TaskRequest& request, const AllSubjects& all) {
  const TaskKind& kind = find_task_kind(request.name);
  if (request.protocol != Protocol::lm_eval && !is_mmlu(kind))
    throw UsageError("protocol " + protocol_names()[size_t(request.protocol)] +
                     " is for MMLU alone, not for " + request.name);
  std::vector<SplitFile> files;
  if (fs::is_directory(request.data)) {
    files = find_split_files(request.data);
    if (files.empty())
      throw Error(request.data + ": no file whose name says its split, such as " + kind.splits[0] +
                  ".jsonl or " + kind.splits[0] + "-00000-of-00001.parquet");
  }
  Reader reader(kind, request.protocol);
  const auto subjects =
      is_mmlu(kind) ? mmlu_subjects_of(request.name) : std::vector<std::string>{""};
  std::vector<Task> tasks;
  for (const std::string& subject : subjects) {
    const Wanted wanted{request, kind, subject, files};
    Task task;
    task.name = subject.empty() ? request.name : mmlu_task(subject);
    task.kind = &kind;
    task.protocol = request.protocol;
    task.num_fewshot = num_shots(request, kind);
    if (!subject.empty()) task.description = mmlu_description(subject, request.protocol);
    const Source source = questions_of(wanted, all.of_questions);
    task.docs = read_all(reader, source, request.limit);
    if (task.docs.empty()) throw Error(source.paths[0] + ": no question of " + wanted.name());
    task.shots = shots_of(wanted, all.of_shots, reader);
    tasks.push_back(std::move(task));
  }
  return tasks;
}

}  // namespace

std::vector<Task> load_tasks(const TaskRequest& request) {
  return load_tasks(std::vector{request});
}

std::vector<Task> load_tasks(const std::vector<TaskRequest>& requests) {
  std::vector<Task> all;
  const AllSubjects subjects = count_subjects(requests);
  for (const TaskRequest& request : requests) {
    for (Task& task : load_request(request, subjects)) {
      for (const Task& other : all)
        if (other.name == task.name)
          throw UsageError("task " + task.name + " is asked for twice: once by " + request.name);
      all.push_back(std::move(task));
    }
  }
  return all;
}

}  // namespace tptt
