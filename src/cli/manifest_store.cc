#include "cli/manifest_store.hh"

#include "base/sys.hh"

#include <algorithm>

namespace hull::cli {
namespace {

/// A reference as a file's name.
std::string file_name(std::string reference) {
    std::replace(reference.begin(), reference.end(), '/', '_');
    std::replace(reference.begin(), reference.end(), ':', '-');
    return reference;
}

}  // namespace

ManifestStore::ManifestStore(const Path& configuration)
    : directory_(join(configuration, "manifests")) {}

Path ManifestStore::directory_of(const std::string& list) const {
    return join(directory_, file_name(list));
}

bool ManifestStore::has_list(const std::string& list) const {
    return sys::find_stat(directory_of(list)).has_value();
}

std::vector<json::Value> ManifestStore::entries(const std::string& list) const {
    std::vector<json::Value> entries;
    if (!has_list(list)) return entries;
    for (const std::string& name : sys::list_directory(directory_of(list)))
        entries.push_back(json::parse(read_file(join(directory_of(list), name))));
    return entries;
}

std::optional<json::Value> ManifestStore::find(const std::string& list,
                                               const std::string& reference) const {
    const auto text = find_file(join(directory_of(list), file_name(reference)));
    if (!text) return std::nullopt;
    return json::parse(*text);
}

void ManifestStore::put(const std::string& list, const std::string& reference,
                        const json::Value& entry) {
    sys::mkdir_all(directory_of(list), 0755);
    replace_file(join(directory_of(list), file_name(reference)), json::dump(entry));
}

bool ManifestStore::remove(const std::string& list) {
    if (!has_list(list)) return false;
    sys::remove_tree(directory_of(list));
    return true;
}

}  // namespace hull::cli
