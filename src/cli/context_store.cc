#include "cli/context_store.hh"

#include "base/error.hh"
#include "base/hash.hh"
#include "base/sys.hh"

#include <algorithm>

namespace hull::cli {
namespace {

std::string text(const json::Value& value) { return value.is_string() ? value.as_string() : ""; }

std::optional<Context> find_in(const Path& directory) {
    const Path path = join(directory, "meta.json");
    const std::optional<std::string> content = find_file(path);
    if (!content) return std::nullopt;
    Context context;
    context.metadata =
        with_context([&] { return json::parse(*content); }, "reading the context {}", path);
    context.name = text(std::as_const(context.metadata)["Name"]);
    return context;
}

}  // namespace

std::string Context::description() const { return text(metadata["Metadata"]["Description"]); }
std::string Context::host() const { return text(metadata["Endpoints"]["docker"]["Host"]); }
bool Context::skip_tls_verify() const {
    const json::Value& skip = metadata["Endpoints"]["docker"]["SkipTLSVerify"];
    return skip.is_bool() && skip.as_bool();
}
void Context::set_description(std::string_view description) {
    json::Value& object = metadata["Metadata"];
    if (!object.is_object()) object = json::Object{};
    if (description.empty())
        object.as_object().erase("Description");
    else
        object["Description"] = description;
}
void Context::set_endpoint(std::string_view host, bool skip_tls_verify) {
    json::Value& endpoint = metadata["Endpoints"]["docker"];
    endpoint = json::Object{{"SkipTLSVerify", skip_tls_verify}};
    if (!host.empty()) endpoint = json::Object{{"Host", host}, {"SkipTLSVerify", skip_tls_verify}};
}

ContextStore::ContextStore(const Path& configuration) : root_(join(configuration, "contexts")) {}

Path ContextStore::metadata_directory(std::string_view name) const {
    return join(join(root_, "meta"), sha256_hex(name));
}
Path ContextStore::tls_directory(std::string_view name) const {
    return join(join(root_, "tls"), sha256_hex(name));
}

std::vector<Context> ContextStore::list() const {
    std::vector<Context> contexts;
    const Path directory = join(root_, "meta");
    for (const std::string& name : sys::list_directories(directory))
        if (std::optional<Context> context = find_in(join(directory, name)))
            contexts.push_back(std::move(*context));
    std::sort(contexts.begin(), contexts.end(),
              [](const Context& a, const Context& b) { return a.name < b.name; });
    return contexts;
}

std::optional<Context> ContextStore::find(std::string_view name) const {
    return find_in(metadata_directory(name));
}

Context ContextStore::get(std::string_view name) const {
    std::optional<Context> context = find(name);
    if (!context)
        throw Error(ErrorKind::not_found,
                    "context \"{}\": context not found in {}: `context ls` shows what there is",
                    name, root_);
    return std::move(*context);
}

void ContextStore::save(const Context& context) const {
    const Path directory = metadata_directory(context.name);
    sys::mkdir_all(directory, 0755);
    write_file_atomic(join(directory, "meta.json"), json::dump(context.metadata), 0644);
}

void ContextStore::remove(std::string_view name) const {
    sys::remove_tree(tls_directory(name));
    sys::remove_tree(metadata_directory(name));
}

TlsFiles ContextStore::read_tls(std::string_view name) const {
    TlsFiles files;
    const Path directory = join(tls_directory(name), "docker");
    if (!sys::find_stat(directory)) return files;
    for (const std::string& file : sys::list_directory(directory))
        files[file] = read_file(join(directory, file));
    return files;
}

void ContextStore::save_tls(std::string_view name, const TlsFiles& files) const {
    sys::remove_tree(tls_directory(name));
    if (files.empty()) return;
    sys::mkdir_all(join(root_, "tls"), 0700);
    sys::mkdir(tls_directory(name), 0700);
    const Path directory = join(tls_directory(name), "docker");
    sys::mkdir(directory, 0700);
    for (const auto& [file, content] : files)
        write_file_atomic(join(directory, file), content, 0600);
}

void check_context_name(std::string_view name) {
    constexpr std::string_view alphanumeric =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    if (name == default_context)
        throw Error(ErrorKind::invalid_argument, "\"default\" is a reserved context name");
    const bool valid =
        name.size() >= 2 && alphanumeric.find(name[0]) != std::string_view::npos &&
        name.find_first_not_of(std::string(alphanumeric) + "_.+-") == std::string_view::npos;
    if (!valid)
        throw Error(ErrorKind::invalid_argument,
                    "context name \"{}\" is invalid: use two or more letters, digits and _.+-, "
                    "beginning with a letter or digit",
                    name);
}

}  // namespace hull::cli
