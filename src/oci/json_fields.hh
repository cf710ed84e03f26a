#pragma once
#include "base/error.hh"
#include "base/json.hh"

#include <concepts>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// Reading and writing JSON members so that a wrong type names its member:
/// "linux.resources.memory.limit: expected an integer, got a string".
namespace hull::oci {

/// A JSON value that knows the way to it. Lives on the stack of its reader: parents outlive
/// children.
class Field {
public:
    /// The document itself, or a part of one whose way is already known.
    explicit Field(const json::Value& value, std::string_view name = "")
        : value_(value), name_(name) {}

    const json::Value& value() const { return value_; }
    Field member(std::string_view name) const {
        expect_object();
        return Field(value_[name], *this, name);
    }
    Field element(const json::Value& value, std::size_t index) const {
        Field field(value, *this, "");
        field.index_ = static_cast<long>(index);
        return field;
    }
    Field named_element(const json::Value& value, std::string_view name) const {
        return Field(value, *this, name);
    }
    std::string path() const;
    [[noreturn]] void fail(std::string_view text) const;

    /// Reads the member into `target`; null and missing leave it as it is.
    template <typename T>
    void read(std::string_view name, T& target) const {
        const Field field = member(name);
        if (!field.value_.is_null()) load(field, target);
    }
    /// The same for members that must be there.
    template <typename T>
    void read_required(std::string_view name, T& target) const {
        const Field field = member(name);
        if (field.value_.is_null()) field.fail("is missing");
        load(field, target);
    }

private:
    Field(const json::Value& value, const Field& parent, std::string_view name)
        : value_(value), parent_(&parent), name_(name) {}
    void expect_object() const;

    const json::Value& value_;
    const Field* parent_ = nullptr;
    std::string_view name_;
    long index_ = -1;
};

void load(const Field& field, std::string& target);
void load(const Field& field, bool& target);
void load(const Field& field, json::Object& target);
std::int64_t load_signed(const Field& field, std::int64_t low, std::int64_t high);
std::uint64_t load_unsigned(const Field& field, std::uint64_t high);

template <std::integral T>
requires(!std::same_as<T, bool>) void load(const Field& field, T& target) {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::signed_integral<T>)
        target = static_cast<T>(load_signed(field, Limits::min(), Limits::max()));
    else
        target = static_cast<T>(load_unsigned(field, Limits::max()));
}

/// What `load` of an element wants to know about an array or an object.
const json::Array& expect_array(const Field& field);
const json::Object& expect_object(const Field& field);

template <typename T>
void load(const Field& field, std::optional<T>& target) {
    load(field, target.emplace());
}
template <typename T>
void load(const Field& field, std::vector<T>& target) {
    target.clear();
    std::size_t index = 0;
    for (const json::Value& value : expect_array(field))
        load(field.element(value, index++), target.emplace_back());
}
template <typename T>
void load(const Field& field, std::map<std::string, T>& target) {
    target.clear();
    for (const auto& [name, value] : expect_object(field))
        load(field.named_element(value, name), target[name]);
}
/// Go's `map[string]struct{}`: the names are the set.
void load(const Field& field, std::set<std::string>& target);

/// Builds an object, leaving out what is empty, as Go's `omitempty`.
class Members {
public:
    template <typename T>
    Members& put(std::string_view name, const T& value) {
        if (!is_empty(value)) put_always(name, value);
        return *this;
    }
    template <typename T>
    Members& put_always(std::string_view name, const T& value) {
        object_.append(std::string(name), to_value(value));
        return *this;
    }
    bool empty() const { return object_.empty(); }
    json::Object take() { return std::move(object_); }

private:
    template <typename T>
    static bool is_empty(const T& value) {
        if constexpr (std::same_as<T, json::Value>)
            return value.is_null() || (value.is_object() && value.as_object().empty());
        else if constexpr (std::integral<T>)
            return value == T{};
        else if constexpr (requires { value.has_value(); })
            return !value.has_value();
        else if constexpr (requires { value.empty(); })
            return value.empty();
        else
            return false;
    }

    template <typename T>
    static json::Value to_value(const std::optional<T>& value) {
        return value ? to_value(*value) : json::Value();
    }
    template <typename T>
    static json::Value to_value(const std::vector<T>& value) {
        json::Array array;
        for (const T& element : value) array.push_back(to_value(element));
        return array;
    }
    template <typename T>
    static json::Value to_value(const std::map<std::string, T>& value) {
        json::Object object;
        for (const auto& [name, element] : value) object.append(name, to_value(element));
        return object;
    }
    static json::Value to_value(const std::set<std::string>& value) {
        json::Object object;
        for (const std::string& name : value) object.append(name, json::Object());
        return object;
    }
    template <typename T>
    static json::Value to_value(const T& value) {
        if constexpr (std::constructible_from<json::Value, const T&>)
            return json::Value(value);
        else
            return to_json(value);
    }

    json::Object object_;
};

}  // namespace hull::oci
