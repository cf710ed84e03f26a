#pragma once
#include "base/json.hh"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// JSON values as Go's templates see and print them.
namespace hull::cli {

/// A value and the member it came from, which tells Go's nil kinds apart.
struct Operand {
    const json::Value* value = nullptr;
    std::string name;
};

/// What {{if}} asks: not zero, not empty.
bool is_true(const json::Value& value);
/// Go's name of the type that the value has in an interface{}: "int", "map[string]interface {}".
std::string_view type_of(const json::Value& value);
/// A member of Docker's structs that is a map in Go.
bool is_map_member(std::string_view name);
/// What a member that JSON left out is in Docker's structs: null for pointers, maps and slices, ""
/// for strings; nullptr when no struct has it.
const json::Value* find_absent_member(std::string_view name);
std::vector<const json::Object::Member*> sorted_members(const json::Object& object);
std::string print_number(const json::Value& value);
/// The byte after the character at `at`.
std::size_t next_rune(std::string_view text, std::size_t at);

}  // namespace hull::cli
