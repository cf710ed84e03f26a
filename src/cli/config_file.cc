#include "cli/config_file.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <limits.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

namespace hull::cli {
namespace {

/// Docker indents with tabs.
std::string with_tabs(const std::string& spaced) {
    std::string text;
    bool at_start = true;
    for (std::size_t i = 0; i < spaced.size(); ++i) {
        if (at_start && spaced[i] == ' ') {
            text += '\t';
            continue;
        }
        at_start = spaced[i] == '\n';
        text += spaced[i];
    }
    return text;
}

}  // namespace

json::Value& ConfigFile::content() {
    if (content_) return *content_;
    const Path path = join(directory_, "config.json");
    content_ = json::Value(json::Object{});
    std::optional<std::string> text;
    try {
        text = find_file(path);
    } catch (const Error& error) {
        if (error.error_number() != EACCES && error.error_number() != EPERM) throw;
        readable_ = false;  // HOME of somebody else, as sudo -u leaves it
        problem_ = error.message();
    }
    if (text && !text->empty()) {
        json::Value parsed =
            with_context([&] { return json::parse(*text); }, "reading the configuration {}", path);
        if (!parsed.is_object())
            throw Error(ErrorKind::invalid_argument,
                        "reading the configuration {}: it is not a JSON object", path);
        content_ = std::move(parsed);
    }
    return *content_;
}

const json::Value& ConfigFile::get(std::string_view name) { return std::as_const(content())[name]; }

void ConfigFile::set(std::string_view name, json::Value value) {
    json::Object& members = content().as_object();
    if (!readable_)
        throw Error(ErrorKind::forbidden, "{}/config.json cannot be read, so it is not changed",
                    directory_);
    if (value.is_null())
        members.erase(name);
    else
        members[name] = std::move(value);
    sys::mkdir_all(directory_, 0700);
    Path path = join(directory_, "config.json");
    char target[PATH_MAX];
    if (::realpath(path.c_str(), target)) path = target;
    struct stat old = {};
    const mode_t mode = ::stat(path.c_str(), &old) == 0 ? old.st_mode & 0777 : 0600;
    write_file_atomic(path, with_tabs(json::dump_indented(*content_, 1)), mode);
}

}  // namespace hull::cli
