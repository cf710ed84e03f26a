#pragma once
#include "base/json.hh"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hull::compose {

/// Where something was written; line and column count from 1. line 0: nowhere, we made it.
struct Place {
    const std::string* file = nullptr;  ///< of file_name(), lives for ever
    std::uint32_t line = 0, column = 0;
};
/// One string for each distinct name, for Place::file.
const std::string* file_name(std::string_view name);
/// "compose.yaml:3:5"
std::string to_string(const Place& place);

enum class Kind { null, boolean, integer, real, string, sequence, mapping };
/// As messages name it: "a string", "a list".
std::string_view describe(Kind kind);

/// What a YAML tag asks of a merge.
enum class Tag { none, reset, override };

struct Member;

/// One value of a Compose file with the place it was written at.
struct Node {
    Kind kind = Kind::null;
    Tag tag = Tag::none;
    bool boolean = false;
    bool plain = false;  ///< a scalar without quotes
    std::int64_t integer = 0;
    double real = 0;
    std::string text;  ///< of a string; of other scalars, as they were written
    std::vector<Node> items;
    std::vector<Member> members;  ///< in the order written
    Place place;
    std::vector<std::string> variables;  ///< what interpolation put in: "TAG=3 (.env)"

    Node() = default;
    static Node string(std::string text, const Place& place = {});
    static Node number(std::int64_t value, const Place& place = {});
    static Node flag(bool value, const Place& place = {});
    static Node sequence(const Place& place = {});
    static Node mapping(const Place& place = {});

    bool is_null() const { return kind == Kind::null; }
    bool is_string() const { return kind == Kind::string; }
    bool is_sequence() const { return kind == Kind::sequence; }
    bool is_mapping() const { return kind == Kind::mapping; }
    bool is_scalar() const { return !is_sequence() && !is_mapping(); }

    const Node* find(std::string_view key) const;
    Node* find(std::string_view key);
    /// The member, or a null node.
    const Node& operator[](std::string_view key) const;
    /// The member, made null at `place` when missing.
    Node& get(std::string_view key, const Place& at = {});
    Node& set(std::string_view key, Node value);
    bool erase(std::string_view key);

    /// A scalar as Go prints it: 3, 1.5, true, the string; null is "".
    std::string to_text() const;
    /// Texts of the items; a scalar is a list of one, null of none.
    std::vector<std::string> to_texts() const;
    bool is_true() const { return kind == Kind::boolean && boolean; }
};

struct Member {
    std::string key;
    Place place;  ///< of the key
    Node value;
};

/// `members` with their keys sorted, at all depths.
json::Value to_json(const Node& node);
json::Value to_sorted_json(const Node& node);
/// The value without places, of our own labels.
Node from_json(const json::Value& value);
/// Same value whatever the order of keys.
bool same_value(const Node& a, const Node& b);
/// As Go prints a float64 with %v.
std::string format_real(double value);

}  // namespace hull::compose
