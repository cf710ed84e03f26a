#pragma once
#include "compose/node.hh"

#include <fmt/core.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::compose {

/// What a value may be, and what it becomes.
enum class Shape {
    any,      ///< kept as it is
    string,   ///< a string
    text,     ///< a string, number or boolean -> string
    value,    ///< text, or nothing (of environment and build arguments)
    boolean,  ///< or its text
    integer,
    number,
    size,      ///< 512m -> "536870912"
    duration,  ///< 90s -> 1m30s
    path,      ///< a file of ours -> absolute
    list,
    map,         ///< free keys
    dictionary,  ///< free keys, or a list of KEY=VALUE
    object,      ///< the fields of a table
};

/// How two files' lists become one.
enum class Merging {
    append,
    unique,   ///< append what is not there yet
    replace,  ///< the later one: command, entrypoint, test
    by_key,   ///< items that are the same thing (port, mount target, …) are merged
};

struct Field;
class Conformer;

/// One entry of our table of the Compose file format.
struct Schema {
    Shape shape = Shape::any;
    const Schema* item = nullptr;        ///< of lists, maps and dictionaries
    std::span<const Field> fields = {};  ///< of objects
    std::string_view allowed = "";       ///< "a|b|c"
    /// Turns a short form into the long one, before the value is looked at.
    void (*lengthen)(Node& node, const std::string& path, Conformer& conformer) = nullptr;
    /// Looks at the value or adds what follows from it, afterwards.
    void (*finish)(Node& node, const std::string& path, Conformer& conformer) = nullptr;
    Merging merging = Merging::append;
    std::string (*key)(const Node& item) = nullptr;  ///< for Merging::by_key
    bool nullable = false;
};
struct Field {
    std::string_view name;
    const Schema* schema;
    bool required = false;
};

const Schema& file_schema();
const Schema& service_schema();
/// The schema of one member; null when there is none.
const Schema* find_field(const Schema& schema, std::string_view name);

/// Checks a tree against the schema and brings it into the long form.
class Conformer {
public:
    std::string directory;  ///< what relative paths are relative to
    bool resolve_paths = true;
    std::vector<std::string> problems;  ///< "FILE:LINE:COLUMN: services.web …"

    void conform(Node& node, const Schema& schema, const std::string& path);
    template <typename... Args>
    void complain(const Place& place, fmt::format_string<Args...> text, Args&&... args) {
        complain_text(place, fmt::format(text, std::forward<Args>(args)...));
    }
    std::string resolve(const std::string& path) const;

private:
    void complain_text(const Place& place, std::string text);
    void conform_scalar(Node& node, const Schema& schema, const std::string& path);
    void conform_object(Node& node, const Schema& schema, const std::string& path);
    void conform_dictionary(Node& node, const Schema& schema, const std::string& path);
};

}  // namespace hull::compose
