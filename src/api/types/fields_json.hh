#pragma once
#include "api/types/nullable.hh"
#include "base/error.hh"
#include "base/json.hh"

#include <array>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// One list of members per struct serves both directions: `fields(visitor, object)` calls
/// `visitor("Name", object.member)`, or `visitor.omit_empty(…)` where Go has `omitempty`.
/// Only for the *_json.cc files of this folder.
namespace hull::api::detail {

class Writer;
class Reader;

template <typename T>
concept HasFields = requires(Writer& writer, const T& constant, Reader& reader, T& mutable_value) {
    fields(writer, constant);
    fields(reader, mutable_value);
};

inline json::Value encode(bool value) { return value; }
inline json::Value encode(std::int64_t value) { return value; }
inline json::Value encode(std::uint64_t value) { return value; }
inline json::Value encode(const std::string& value) { return value; }
inline json::Value encode(const json::Value& value) { return value; }
template <HasFields T>
json::Value encode(const T& value);
template <typename T>
json::Value encode(const std::optional<T>& value);
template <typename T>
json::Value encode(const std::vector<T>& values);
template <typename T>
json::Value encode(const std::map<std::string, T>& values);
template <typename T>
json::Value encode(const Nullable<T>& values);

inline json::Value encode(const std::array<std::int64_t, 2>& pair) {
    return json::Array{pair[0], pair[1]};
}
inline json::Value encode(const std::set<std::string>& keys) {
    json::Object object;
    for (const std::string& key : keys) object.append(key, json::Object());
    return object;
}
template <typename T>
json::Value encode(const std::optional<T>& value) {
    return value ? encode(*value) : json::Value();
}
template <typename T>
json::Value encode(const std::vector<T>& values) {
    json::Array array;
    array.reserve(values.size());
    for (const T& value : values) array.push_back(encode(value));
    return array;
}
template <typename T>
json::Value encode(const std::map<std::string, T>& values) {
    json::Object object;
    for (const auto& [name, value] : values) object.append(name, encode(value));
    return object;
}
template <typename T>
json::Value encode(const Nullable<T>& values) {
    return values.is_null() ? json::Value() : encode(static_cast<const T&>(values));
}

inline bool is_empty(bool value) { return !value; }
inline bool is_empty(std::int64_t value) { return value == 0; }
inline bool is_empty(std::uint64_t value) { return value == 0; }
inline bool is_empty(const json::Value& value) { return value.is_null(); }
template <typename T>
bool is_empty(const std::optional<T>& value) {
    return !value.has_value();
}
template <typename T>
requires requires(const T& container) { container.empty(); }
bool is_empty(const T& container) { return container.empty(); }

class Writer {
public:
    template <typename T>
    void operator()(const char* name, const T& value) {
        object.append(name, encode(value));
    }
    template <typename T>
    void omit_empty(const char* name, const T& value) {
        if (!is_empty(value)) object.append(name, encode(value));
    }
    /// A list that clients may also send as one string.
    void strings_or_text(const char* name, const Strings& value) { (*this)(name, value); }

    json::Object object;
};

template <HasFields T>
json::Value encode(const T& value) {
    Writer writer;
    fields(writer, value);
    return std::move(writer.object);
}

inline void decode(const json::Value& value, bool& out) { out = value.as_bool(); }
inline void decode(const json::Value& value, std::int64_t& out) { out = value.as_int(); }
inline void decode(const json::Value& value, std::uint64_t& out) { out = value.as_uint(); }
inline void decode(const json::Value& value, std::string& out) { out = value.as_string(); }
inline void decode(const json::Value& value, json::Value& out) { out = value; }
template <HasFields T>
void decode(const json::Value& value, T& out);
template <typename T>
void decode(const json::Value& value, std::optional<T>& out);
template <typename T>
void decode(const json::Value& value, std::vector<T>& out);
template <typename T>
void decode(const json::Value& value, std::map<std::string, T>& out);
template <typename T>
void decode(const json::Value& value, Nullable<T>& out);

inline void decode(const json::Value& value, std::array<std::int64_t, 2>& out) {
    const json::Array& array = value.as_array();
    for (std::size_t i = 0; i < out.size(); i++) out[i] = i < array.size() ? array[i].as_int() : 0;
}
inline void decode(const json::Value& value, std::set<std::string>& out) {
    for (const auto& [key, unused] : value.as_object()) out.insert(key);
}
template <typename T>
void decode(const json::Value& value, std::optional<T>& out) {
    if (value.is_null()) return out.reset();
    decode(value, out.emplace());
}
template <typename T>
void decode(const json::Value& value, std::vector<T>& out) {
    out.clear();
    if (value.is_null()) return;
    for (const json::Value& item : value.as_array()) {
        T& element = out.emplace_back();
        if (!item.is_null()) decode(item, element);
    }
}
template <typename T>
void decode(const json::Value& value, std::map<std::string, T>& out) {
    out.clear();
    if (value.is_null()) return;
    for (const auto& [name, item] : value.as_object()) {
        T& element = out[name];
        if (!item.is_null()) decode(item, element);
    }
}
template <typename T>
void decode(const json::Value& value, Nullable<T>& out) {
    decode(value, static_cast<T&>(out));
    out.null_when_empty = false;
}

class Reader {
public:
    explicit Reader(const json::Object& object) : object_(object) {}

    template <typename T>
    void operator()(const char* name, T& out) {
        const json::Value* value = object_.find_folded(name);
        if (!value || value->is_null()) return;
        with_context([&] { decode(*value, out); }, "{}", std::string_view(name));
    }
    template <typename T>
    void omit_empty(const char* name, T& out) {
        (*this)(name, out);
    }
    void strings_or_text(const char* name, Strings& out) {
        const json::Value* value = object_.find_folded(name);
        if (value && value->is_string())
            out = Strings(std::vector<std::string>{value->as_string()});
        else
            (*this)(name, out);
    }

private:
    const json::Object& object_;
};

template <HasFields T>
void decode(const json::Value& value, T& out) {
    if (value.is_null()) return;
    Reader reader(value.as_object());
    fields(reader, out);
}

}  // namespace hull::api::detail
