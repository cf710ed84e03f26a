#pragma once
#include "base/json.hh"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace hull::api {

/// A vector or map that remembers whether an empty one is Go's nil (`null`) or empty (`[]`, `{}`),
/// because Docker's replies show the difference. Use it like the container it is.
template <typename Container>
struct Nullable : Container {
    bool null_when_empty = true;

    using Container::Container;
    Nullable() = default;
    Nullable(Container other) : Container(std::move(other)), null_when_empty(false) {}
    /// An empty one that is written as `[]` or `{}`.
    static Nullable none() { return Nullable(Container()); }
    /// True for `null`, false for `[]`, `{}` and anything with elements.
    bool is_null() const { return Container::empty() && null_when_empty; }
};

using Strings = Nullable<std::vector<std::string>>;
using StringMap = Nullable<std::map<std::string, std::string>>;

/// from_json of a T: members match case-insensitively, null and unknown ones are ignored.
/// Throws invalid_argument naming the member of a wrong type.
template <typename T>
T parse(const json::Value& value) {
    T result;
    from_json(value, result);
    return result;
}

/// An array of T.
template <typename T>
json::Value to_json_array(const std::vector<T>& items) {
    json::Array array;
    array.reserve(items.size());
    for (const T& item : items) array.push_back(to_json(item));
    return array;
}
template <typename T>
std::vector<T> parse_array(const json::Value& value) {
    std::vector<T> items;
    if (value.is_null()) return items;
    for (const json::Value& item : value.as_array()) items.push_back(parse<T>(item));
    return items;
}

}  // namespace hull::api
