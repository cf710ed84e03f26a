#include "engine/table.hh"

#include "base/error.hh"
#include "engine/names.hh"

namespace hull::engine {

std::string Table::reserve_name(std::string name, const std::string& id) {
    if (name.starts_with('/')) name.erase(0, 1);
    if (!name.empty() && !is_valid_name(name))
        throw Error(ErrorKind::invalid_argument,
                    "Invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
                    name);
    std::lock_guard lock(mutex_);
    if (name.empty())
        name = make_random_name(
            [this](const std::string& candidate) { return !id_of_name_.contains(candidate); });
    auto [position, inserted] = id_of_name_.emplace(name, id);
    if (!inserted)
        throw Error(ErrorKind::conflict,
                    "Conflict. The container name \"/{}\" is already in use by container \"{}\". "
                    "You have to remove (or rename) that container to be able to reuse that name.",
                    name, position->second);
    return name;
}

void Table::release_name(const std::string& name) {
    std::lock_guard lock(mutex_);
    id_of_name_.erase(name);
}

void Table::insert(ContainerPointer container) {
    std::lock_guard lock(mutex_);
    by_id_[container->id] = std::move(container);
}

void Table::erase(const std::string& id, const std::string& name) {
    std::lock_guard lock(mutex_);
    by_id_.erase(id);
    auto position = id_of_name_.find(name);
    if (position != id_of_name_.end() && position->second == id) id_of_name_.erase(position);
}

void Table::rename(const std::string& new_name, const std::string& id) {
    reserve_name(new_name, id);
}

ContainerPointer Table::find(std::string_view text) {
    if (text.starts_with('/')) text.remove_prefix(1);
    if (text.empty()) return nullptr;
    std::lock_guard lock(mutex_);
    if (auto exact = by_id_.find(text); exact != by_id_.end()) return exact->second;
    if (auto named = id_of_name_.find(text); named != id_of_name_.end()) {
        auto position = by_id_.find(named->second);
        return position == by_id_.end() ? nullptr : position->second;  // still being made
    }
    auto first = by_id_.lower_bound(text);
    if (first == by_id_.end() || !first->first.starts_with(text)) return nullptr;
    if (auto second = std::next(first); second != by_id_.end() && second->first.starts_with(text))
        throw Error(ErrorKind::invalid_argument, "multiple IDs found with provided prefix: {}",
                    text);
    return first->second;
}

ContainerPointer Table::get(std::string_view text) {
    if (ContainerPointer container = find(text)) return container;
    throw Error(ErrorKind::not_found, "No such container: {}", text);
}

std::vector<ContainerPointer> Table::list() {
    std::lock_guard lock(mutex_);
    std::vector<ContainerPointer> result;
    result.reserve(by_id_.size());
    for (const auto& [id, container] : by_id_) result.push_back(container);
    return result;
}

std::size_t Table::size() {
    std::lock_guard lock(mutex_);
    return by_id_.size();
}

}  // namespace hull::engine
