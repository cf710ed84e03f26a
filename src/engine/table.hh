#pragma once
#include "engine/container.hh"

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hull::engine {

/// All containers by id and by name. Thread-safe; its lock is never held while a container's is
/// taken.
class Table {
public:
    /// Takes `name` for a container that is being made ("" takes a random one) and returns it.
    /// Throws conflict with Docker's text when it is in use, invalid_argument when malformed.
    std::string reserve_name(std::string name, const std::string& id);
    void release_name(const std::string& name);
    /// `name` is reserved already.
    void insert(ContainerPointer container);
    void erase(const std::string& id, const std::string& name);
    /// Throws conflict; the old name stays taken until `release_name`.
    void rename(const std::string& new_name, const std::string& id);

    /// Full id, then name (with or without slash), then unique prefix of an id. Throws
    /// invalid_argument when several ids have the prefix.
    ContainerPointer find(std::string_view text);
    /// Throws not_found "No such container: TEXT".
    ContainerPointer get(std::string_view text);
    std::vector<ContainerPointer> list();
    std::size_t size();

private:
    std::mutex mutex_;
    std::map<std::string, ContainerPointer, std::less<>> by_id_;
    std::map<std::string, std::string, std::less<>> id_of_name_;
};

}  // namespace hull::engine
