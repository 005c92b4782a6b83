// usage: tokenize_speed MODEL TEXT: MB/s of encoding the text line by line, on one core.
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>

#include "data/tokenizer.h"

int main(int argc, char** argv) {
  if (argc != 3) return std::cerr << "usage: tokenize_speed MODEL TEXT\n", 2;
  const auto tokenizer = tptt::load_tokenizer(tptt::find_model(argv[1]));
  std::vector<std::string> lines;
  size_t bytes = 0, ids = 0;
  std::ifstream file(argv[2]);
  for (std::string line; std::getline(file, line); lines.push_back(line + "\n"))
    bytes += line.size() + 1;
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& line : lines) ids += tokenizer->encode(line).size();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::cout << double(bytes) / seconds.count() / 1e6 << " " << ids << "\n";
}
