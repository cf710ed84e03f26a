#include "base/json.hh"

#include "base/error.hh"
#include "base/json_text.hh"
#include "base/utf8.hh"

#include <strings.h>
#include <charconv>
#include <cmath>

namespace hull::json {

Object::Object() = default;
Object::Object(std::initializer_list<Member> members) : members_(members) {}
Object::Object(const Object&) = default;
Object::Object(Object&&) noexcept = default;
Object& Object::operator=(const Object&) = default;
Object& Object::operator=(Object&&) noexcept = default;
Object::~Object() = default;

Value& Object::operator[](std::string_view name) {
    if (Value* value = find(name)) return *value;
    return members_.emplace_back(std::string(name), Value()).second;
}
const Value* Object::find(std::string_view name) const {
    for (const Member& member : members_)
        if (member.first == name) return &member.second;
    return nullptr;
}
Value* Object::find(std::string_view name) {
    return const_cast<Value*>(std::as_const(*this).find(name));
}
const Value* Object::find_folded(std::string_view name) const {
    if (const Value* exact = find(name)) return exact;
    for (const Member& member : members_)
        if (member.first.size() == name.size() &&
            ::strncasecmp(member.first.data(), name.data(), name.size()) == 0)
            return &member.second;
    return nullptr;
}
bool Object::erase(std::string_view name) {
    return std::erase_if(members_, [&](const Member& member) { return member.first == name; }) > 0;
}
void Object::append(std::string name, Value value) {
    members_.emplace_back(std::move(name), std::move(value));
}
bool Object::empty() const { return members_.empty(); }
std::size_t Object::size() const { return members_.size(); }
std::vector<Object::Member>::const_iterator Object::begin() const { return members_.begin(); }
std::vector<Object::Member>::const_iterator Object::end() const { return members_.end(); }
std::vector<Object::Member>::iterator Object::begin() { return members_.begin(); }
std::vector<Object::Member>::iterator Object::end() { return members_.end(); }

namespace {

const Value null_value;

const char* type_name(const Value& value) {
    if (value.is_null()) return "null";
    if (value.is_bool()) return "a boolean";
    if (value.is_number()) return "a number";
    if (value.is_string()) return "a string";
    return value.is_array() ? "an array" : "an object";
}

[[noreturn]] void wrong_type(const char* wanted, const Value& value) {
    throw Error(ErrorKind::invalid_argument, "expected {}, got {}", wanted, type_name(value));
}

}  // namespace

Value::Value(const std::vector<std::string>& strings) {
    Array array;
    array.reserve(strings.size());
    for (const std::string& text : strings) array.emplace_back(text);
    data_ = std::move(array);
}
Value::Value(const std::map<std::string, std::string>& strings) {
    Object object;
    for (const auto& [name, text] : strings) object.append(name, text);
    data_ = std::move(object);
}

bool Value::is_number() const {
    return std::holds_alternative<std::int64_t>(data_) ||
           std::holds_alternative<std::uint64_t>(data_) || std::holds_alternative<double>(data_);
}
bool Value::as_bool() const {
    if (const bool* value = std::get_if<bool>(&data_)) return *value;
    wrong_type("a boolean", *this);
}
std::int64_t Value::as_int() const {
    if (const auto* value = std::get_if<std::int64_t>(&data_)) return *value;
    if (const auto* value = std::get_if<std::uint64_t>(&data_); value && *value <= INT64_MAX)
        return static_cast<std::int64_t>(*value);
    if (const auto* value = std::get_if<double>(&data_);
        value && std::floor(*value) == *value && std::abs(*value) < 9e18)
        return static_cast<std::int64_t>(*value);
    wrong_type("an integer", *this);
}
std::uint64_t Value::as_uint() const {
    if (const auto* value = std::get_if<std::uint64_t>(&data_)) return *value;
    const std::int64_t value = as_int();
    if (value < 0)
        throw Error(ErrorKind::invalid_argument, "expected a positive integer, got {}", value);
    return static_cast<std::uint64_t>(value);
}
double Value::as_double() const {
    if (const double* value = std::get_if<double>(&data_)) return *value;
    if (const auto* value = std::get_if<std::uint64_t>(&data_)) return static_cast<double>(*value);
    return static_cast<double>(as_int());
}
const std::string& Value::as_string() const {
    if (const auto* value = std::get_if<std::string>(&data_)) return *value;
    wrong_type("a string", *this);
}
const Array& Value::as_array() const {
    if (const auto* value = std::get_if<Array>(&data_)) return *value;
    wrong_type("an array", *this);
}
const Object& Value::as_object() const {
    if (const auto* value = std::get_if<Object>(&data_)) return *value;
    wrong_type("an object", *this);
}
Array& Value::as_array() { return const_cast<Array&>(std::as_const(*this).as_array()); }
Object& Value::as_object() { return const_cast<Object&>(std::as_const(*this).as_object()); }

std::vector<std::string> Value::as_strings() const {
    std::vector<std::string> strings;
    if (is_null()) return strings;
    for (const Value& element : as_array()) strings.push_back(element.as_string());
    return strings;
}
std::map<std::string, std::string> Value::as_string_map() const {
    std::map<std::string, std::string> strings;
    if (is_null()) return strings;
    for (const auto& [name, value] : as_object()) strings[name] = value.as_string();
    return strings;
}

const Value& Value::operator[](std::string_view name) const {
    const auto* object = std::get_if<Object>(&data_);
    const Value* member = object ? object->find(name) : nullptr;
    return member ? *member : null_value;
}
Value& Value::operator[](std::string_view name) {
    if (is_null()) data_ = Object();
    return as_object()[name];
}

bool Value::operator==(const Value& other) const { return dump(*this) == dump(other); }

/// Writes a value as text; `indent` 0 is compact.
struct Writer {
    std::string out;
    int indent = 0;

    void newline(int depth) {
        if (indent == 0) return;
        out += '\n';
        out.append(static_cast<std::size_t>(depth * indent), ' ');
    }

    void write(std::string_view text) {
        out += '"';
        for (std::size_t i = 0; i < text.size();) {
            const std::size_t begin = i;
            while (i < text.size() && is_plain(text[i])) ++i;
            out.append(text, begin, i - begin);
            if (i == text.size()) break;
            const auto c = static_cast<unsigned char>(text[i]);
            if (c >= 0x80) {
                const std::size_t length = utf8_length(text, i);
                if (length == 0) {
                    out += "\\ufffd";
                    ++i;
                } else {
                    out.append(text.substr(i, length));
                    i += length;
                }
                continue;
            }
            ++i;
            switch (c) {
                case '"': out += "\\\""; break;
                case '\\': out += "\\\\"; break;
                case '\n': out += "\\n"; break;
                case '\r': out += "\\r"; break;
                case '\t': out += "\\t"; break;
                default: out += fmt::format("\\u{:04x}", c);
            }
        }
        out += '"';
    }

    void write(const Value& value, int depth) {
        std::visit([&](const auto& data) { write_data(data, depth); }, value.data_);
    }
    void write_data(std::monostate, int) { out += "null"; }
    void write_data(bool data, int) { out += data ? "true" : "false"; }
    void write_data(std::int64_t data, int) { out += std::to_string(data); }
    void write_data(std::uint64_t data, int) { out += std::to_string(data); }
    void write_data(double data, int) {
        if (!std::isfinite(data)) {
            out += "null";
        } else {
            char text[64];
            const auto end = std::to_chars(text, text + sizeof text, data);
            out.append(text, end.ptr);
        }
    }
    void write_data(const std::string& data, int) { write(std::string_view(data)); }
    void write_data(const Array& data, int depth) {
        out += '[';
        bool first = true;
        for (const Value& element : data) {
            if (!std::exchange(first, false)) out += ',';
            newline(depth + 1);
            write(element, depth + 1);
        }
        if (!first) newline(depth);
        out += ']';
    }
    void write_data(const Object& data, int depth) {
        out += '{';
        bool first = true;
        for (const auto& [name, member] : data) {
            if (!std::exchange(first, false)) out += ',';
            newline(depth + 1);
            write(std::string_view(name));
            out += indent ? ": " : ":";
            write(member, depth + 1);
        }
        if (!first) newline(depth);
        out += '}';
    }
};

std::string dump(const Value& value) {
    Writer writer;
    writer.write(value, 0);
    return std::move(writer.out);
}

std::string dump_indented(const Value& value, int spaces) {
    Writer writer{.out = {}, .indent = spaces};
    writer.write(value, 0);
    return std::move(writer.out);
}

}  // namespace hull::json
