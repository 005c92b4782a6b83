#include "data/sha256.h"

#include <catch2/catch.hpp>

#include "data/row_hash.h"

using namespace tptt;

namespace {

std::string sha256(const std::string& text) {
  Sha256 hash;
  hash.update(text);
  return to_hex(hash.finish());
}

}  // namespace

// NIST's examples for FIPS 180-4 and the long message of its test suite.
TEST_CASE("SHA-256 gives NIST's known answers") {
  CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 does not depend on the pieces") {
  const std::string text(300, 'x');
  for (size_t cut = 0; cut <= text.size(); cut += 7) {
    Sha256 hash;
    hash.update(text.substr(0, cut));
    hash.update(text.substr(cut));
    CHECK(to_hex(hash.finish()) == sha256(text));
  }
}

TEST_CASE("rows have the same hash when they say the same") {
  const Row base = {.messages = {{"user", "a", "in"}, {"assistant", "b"}}, .where = "a:1"};
  Row same = base;
  same.where = "b:2";
  CHECK(row_hash(same) == row_hash(base));
  std::vector<Row> others(8, base);
  others[0].messages[0].role = "system";
  others[1].messages[0].content = "ab";
  others[2].messages[0].input = "";
  others[3].messages[1].train = true;
  others[4].messages[1].train = false;
  others[5].messages.pop_back();
  others[6] = {.prompt = "a", .completion = "b"};
  others[7] = {.prompt = "", .completion = "ab"};
  others.push_back({.completion = "ab", .is_document = true});
  others.push_back(base);
  const auto hashes = row_hashes(others, 2);
  for (size_t i = 0; i < hashes.size(); ++i)
    for (size_t j = 0; j < i; ++j) CHECK(hashes[i] != hashes[j]);
  CHECK(hashes.back() == row_hash(base));
}

TEST_CASE("a repeated row is found with the place of the first") {
  RepeatFinder finder;
  const Row first = {.prompt = "a", .completion = "b", .where = "a:1"};
  finder.add(first, row_hash(first));
  Row again = first;
  again.where = "a:9";
  finder.add(again, row_hash(again));
  REQUIRE(finder.find(row_hash(again)));
  CHECK(*finder.find(row_hash(again)) == "a:1");
  again.prompt = "c";
  CHECK_FALSE(finder.find(row_hash(again)));
}
