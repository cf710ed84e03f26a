#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace hull::json {

class Value;
using Array = std::vector<Value>;

/// Members in the order they were written; a later duplicate replaces the earlier one.
class Object {
public:
    using Member = std::pair<std::string, Value>;

    Object();
    Object(std::initializer_list<Member> members);
    Object(const Object&);
    Object(Object&&) noexcept;
    Object& operator=(const Object&);
    Object& operator=(Object&&) noexcept;
    ~Object();

    /// The member, made null when missing.
    Value& operator[](std::string_view name);
    const Value* find(std::string_view name) const;
    Value* find(std::string_view name);
    /// Case-insensitive, as Go's decoder matches names; exact matches win.
    const Value* find_folded(std::string_view name) const;
    bool erase(std::string_view name);
    /// Appends without looking for a duplicate.
    void append(std::string name, Value value);
    bool empty() const;
    std::size_t size() const;
    std::vector<Member>::const_iterator begin() const;
    std::vector<Member>::const_iterator end() const;
    std::vector<Member>::iterator begin();
    std::vector<Member>::iterator end();

private:
    std::vector<Member> members_;
};

/// One JSON value. Light to include and to read: nothing of a library is behind it (ADR 020).
class Value {
public:
    Value() = default;
    Value(std::nullptr_t) {}
    Value(bool value) : data_(value) {}
    Value(int value) : data_(static_cast<std::int64_t>(value)) {}
    Value(unsigned value) : data_(static_cast<std::int64_t>(value)) {}
    Value(long value) : data_(static_cast<std::int64_t>(value)) {}
    Value(long long value) : data_(static_cast<std::int64_t>(value)) {}
    Value(unsigned long value) : data_(static_cast<std::uint64_t>(value)) {}
    Value(unsigned long long value) : data_(static_cast<std::uint64_t>(value)) {}
    Value(double value) : data_(value) {}
    Value(const char* value) : data_(std::string(value)) {}
    Value(std::string value) : data_(std::move(value)) {}
    Value(std::string_view value) : data_(std::string(value)) {}
    Value(Array value) : data_(std::move(value)) {}
    Value(Object value) : data_(std::move(value)) {}
    Value(const std::vector<std::string>& strings);
    Value(const std::map<std::string, std::string>& strings);

    bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
    bool is_bool() const { return std::holds_alternative<bool>(data_); }
    bool is_number() const;
    bool is_string() const { return std::holds_alternative<std::string>(data_); }
    bool is_array() const { return std::holds_alternative<Array>(data_); }
    bool is_object() const { return std::holds_alternative<Object>(data_); }

    // The as_* functions throw invalid_argument "expected a string, got a number" and the like.
    bool as_bool() const;
    std::int64_t as_int() const;
    std::uint64_t as_uint() const;
    double as_double() const;
    const std::string& as_string() const;
    const Array& as_array() const;
    const Object& as_object() const;
    Array& as_array();
    Object& as_object();
    /// An array of strings; null is empty.
    std::vector<std::string> as_strings() const;
    /// An object of strings; null is empty.
    std::map<std::string, std::string> as_string_map() const;

    /// Member or null: never throws, so optional chains read flat: v["a"]["b"].
    const Value& operator[](std::string_view name) const;
    /// Member, made when missing; null becomes an object first.
    Value& operator[](std::string_view name);
    /// Without these a literal would be ambiguous with built-in subscripting.
    const Value& operator[](const char* name) const { return (*this)[std::string_view(name)]; }
    Value& operator[](const char* name) { return (*this)[std::string_view(name)]; }

    bool operator==(const Value& other) const;

private:
    std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array,
                 Object>
        data_;
    friend struct Writer;
};

/// Parses exactly one JSON text. Throws invalid_argument with the byte offset; nesting deeper than
/// 200 and invalid UTF-8 are refused.
Value parse(std::string_view text);

/// Compact text as Go writes it: no HTML escapes, invalid UTF-8 becomes U+FFFD.
std::string dump(const Value& value);
/// Indented text; Docker's inspect uses 4 spaces.
std::string dump_indented(const Value& value, int spaces);

}  // namespace hull::json
