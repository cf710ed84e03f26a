#include "oci/json_fields.hh"

namespace hull::oci {

std::string Field::path() const {
    std::string text = parent_ ? parent_->path() : std::string();
    if (index_ >= 0) return text + "[" + std::to_string(index_) + "]";
    if (!text.empty() && !name_.empty()) text += '.';
    return text + std::string(name_);
}

void Field::fail(std::string_view text) const {
    const std::string way = path();
    if (way.empty()) throw Error(ErrorKind::invalid_argument, "{}", text);
    throw Error(ErrorKind::invalid_argument, "{}: {}", way, text);
}

void Field::expect_object() const {
    if (value_.is_object() || value_.is_null()) return;
    oci::expect_object(*this);
}

namespace {

/// Runs one of Value's as_* functions and puts the way in front of what it throws.
template <typename Body>
decltype(auto) with_path(const Field& field, Body&& body) {
    try {
        return body(field.value());
    } catch (const Error& error) {
        field.fail(error.message());
    }
}

}  // namespace

const json::Array& expect_array(const Field& field) {
    return with_path(
        field, [](const json::Value& value) -> const json::Array& { return value.as_array(); });
}
const json::Object& expect_object(const Field& field) {
    return with_path(
        field, [](const json::Value& value) -> const json::Object& { return value.as_object(); });
}

void load(const Field& field, std::string& target) {
    target = with_path(field, [](const json::Value& value) { return value.as_string(); });
}
void load(const Field& field, bool& target) {
    target = with_path(field, [](const json::Value& value) { return value.as_bool(); });
}
void load(const Field& field, json::Object& target) { target = expect_object(field); }
void load(const Field& field, std::set<std::string>& target) {
    target.clear();
    for (const auto& [name, value] : expect_object(field)) target.insert(name);
}

std::int64_t load_signed(const Field& field, std::int64_t low, std::int64_t high) {
    const std::int64_t number =
        with_path(field, [](const json::Value& value) { return value.as_int(); });
    if (number < low || number > high)
        field.fail(fmt::format("{} is not between {} and {}", number, low, high));
    return number;
}
std::uint64_t load_unsigned(const Field& field, std::uint64_t high) {
    const std::uint64_t number =
        with_path(field, [](const json::Value& value) { return value.as_uint(); });
    if (number > high) field.fail(fmt::format("{} is not between 0 and {}", number, high));
    return number;
}

}  // namespace hull::oci
