#include "data/tasks/mmlu.h"

#include <algorithm>

#include "data/tasks/task_rows.h"
#include "data/utf8.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

constexpr size_t kChoices = 4;

std::string spaced(std::string subject) {
  std::replace(subject.begin(), subject.end(), '_', ' ');
  return subject;
}

}  // namespace

std::string mmlu_task(const std::string& name) {
  return std::string(kMmlu) + "_" + name;
}

std::vector<std::string> mmlu_subjects_of(const std::string& name) {
  std::vector<std::string> subjects;
  for (const MmluSubject& subject : mmlu_subjects())
    if (name == kMmlu || name == mmlu_task(subject.group) || name == mmlu_task(subject.name))
      subjects.push_back(subject.name);
  return subjects;
}

const std::vector<MmluSubject>& mmlu_subjects() {
  static const std::vector<MmluSubject> subjects = {
      {"abstract_algebra", "stem"},
      {"anatomy", "stem"},
      {"astronomy", "stem"},
      {"business_ethics", "other"},
      {"clinical_knowledge", "other"},
      {"college_biology", "stem"},
      {"college_chemistry", "stem"},
      {"college_computer_science", "stem"},
      {"college_mathematics", "stem"},
      {"college_medicine", "other"},
      {"college_physics", "stem"},
      {"computer_security", "stem"},
      {"conceptual_physics", "stem"},
      {"econometrics", "social_sciences"},
      {"electrical_engineering", "stem"},
      {"elementary_mathematics", "stem"},
      {"formal_logic", "humanities"},
      {"global_facts", "other"},
      {"high_school_biology", "stem"},
      {"high_school_chemistry", "stem"},
      {"high_school_computer_science", "stem"},
      {"high_school_european_history", "humanities"},
      {"high_school_geography", "social_sciences"},
      {"high_school_government_and_politics", "social_sciences"},
      {"high_school_macroeconomics", "social_sciences"},
      {"high_school_mathematics", "stem"},
      {"high_school_microeconomics", "social_sciences"},
      {"high_school_physics", "stem"},
      {"high_school_psychology", "social_sciences"},
      {"high_school_statistics", "stem"},
      {"high_school_us_history", "humanities"},
      {"high_school_world_history", "humanities"},
      {"human_aging", "other"},
      {"human_sexuality", "social_sciences"},
      {"international_law", "humanities"},
      {"jurisprudence", "humanities"},
      {"logical_fallacies", "humanities"},
      {"machine_learning", "stem"},
      {"management", "other"},
      {"marketing", "other"},
      {"medical_genetics", "other"},
      {"miscellaneous", "other"},
      {"moral_disputes", "humanities"},
      {"moral_scenarios", "humanities"},
      {"nutrition", "other"},
      {"philosophy", "humanities"},
      {"prehistory", "humanities"},
      {"professional_accounting", "other"},
      {"professional_law", "humanities"},
      {"professional_medicine", "other"},
      {"professional_psychology", "social_sciences"},
      {"public_relations", "social_sciences"},
      {"security_studies", "social_sciences"},
      {"sociology", "social_sciences"},
      {"us_foreign_policy", "social_sciences"},
      {"virology", "other"},
      {"world_religions", "humanities"},
  };
  return subjects;
}

// The original script puts a blank before each word of the subject, and so a second one here.
std::string mmlu_description(const std::string& subject, Protocol protocol) {
  const std::string about = protocol == Protocol::hendrycks ? "about  " : "about ";
  return "The following are multiple choice questions (with answers) " + about + spaced(subject) +
         ".\n\n";
}

Json mmlu_row(const std::vector<std::string>& fields, const std::string& where) {
  if (fields.size() != kChoices + 2)
    throw Error(where + ": expected 6 fields (question, A, B, C, D, answer), got " +
                std::to_string(fields.size()));
  return {{"question", fields[0]},
          {"choices", std::vector<std::string>(fields.begin() + 1, fields.end() - 1)},
          {"answer", fields.back()}};
}

Doc read_mmlu(const Json& row, const std::string& where, Protocol protocol) {
  Doc doc{where, {}, {}, {}};
  read_choices(row, where, doc);
  if (doc.choices.size() != kChoices)
    throw Error(where + ": expected 4 choices, got " + std::to_string(doc.choices.size()));
  doc.right_text = doc.answer();
  const std::string question = json_string(row, "question", where);
  std::string text = protocol == Protocol::hendrycks   ? question
                     : protocol == Protocol::lighteval ? "Question: " + question
                                                       : strip(question);
  for (size_t i = 0; i < kChoices; ++i) {
    const std::string letter = choice_letter(i);
    text += "\n" + letter + ". " + doc.choices[i];
    doc.choices[i] = letter;
  }
  doc.contexts = {text + "\nAnswer:"};
  return doc;
}

}  // namespace tptt
