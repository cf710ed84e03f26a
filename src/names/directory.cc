#include "names/directory.hh"

namespace hull::names {

namespace {

std::string lower(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return text;
}

IpAddress address_of(const json::Value& value) {
    return IpAddress::parse(value.as_string()).value_or(IpAddress());
}

}  // namespace

json::Value to_json(const Record& record) {
    json::Array networks, servers;
    for (const Membership& membership : record.networks)
        networks.push_back(json::Object{{"id", membership.network_id},
                                        {"name", membership.network_name},
                                        {"names", membership.names},
                                        {"ipv4", membership.ipv4.text()},
                                        {"ipv6", membership.ipv6.text()},
                                        {"links", membership.links}});
    for (const IpAddress& server : record.servers) servers.push_back(server.text());
    return json::Object{{"container", record.container_id},
                        {"forwards", record.forwards},
                        {"servers", std::move(servers)},
                        {"networks", std::move(networks)}};
}

Record parse_record(const json::Value& value) {
    Record record;
    record.container_id = value["container"].as_string();
    record.forwards = value["forwards"].as_bool();
    for (const json::Value& server : value["servers"].as_array())
        record.servers.push_back(IpAddress::get(server.as_string()));
    for (const json::Value& item : value["networks"].as_array()) {
        Membership& membership = record.networks.emplace_back();
        membership.network_id = item["id"].as_string();
        membership.network_name = lower(item["name"].as_string());
        for (const std::string& name : item["names"].as_strings())
            membership.names.push_back(lower(name));
        membership.ipv4 = address_of(item["ipv4"]);
        membership.ipv6 = address_of(item["ipv6"]);
        for (const auto& [alias, name] : item["links"].as_string_map())
            membership.links[lower(alias)] = lower(name);
    }
    return record;
}

void Directory::set(Record record) {
    remove(record.container_id);
    for (const Membership& membership : record.networks) {
        for (const std::string& name : membership.names)
            names_[membership.network_id][name].insert(record.container_id);
        for (const IpAddress& address : {membership.ipv4, membership.ipv6})
            if (!address.empty()) addresses_[membership.network_id][address] = record.container_id;
    }
    std::string id = record.container_id;
    records_[std::move(id)] = std::move(record);
}

void Directory::remove(const std::string& container_id) {
    const auto found = records_.find(container_id);
    if (found == records_.end()) return;
    for (const Membership& membership : found->second.networks) {
        auto& names = names_[membership.network_id];
        for (const std::string& name : membership.names) {
            names[name].erase(container_id);
            if (names[name].empty()) names.erase(name);
        }
        if (names.empty()) names_.erase(membership.network_id);
        auto& addresses = addresses_[membership.network_id];
        for (const IpAddress& address : {membership.ipv4, membership.ipv6})
            if (auto owner = addresses.find(address);
                owner != addresses.end() && owner->second == container_id)
                addresses.erase(owner);
        if (addresses.empty()) addresses_.erase(membership.network_id);
    }
    records_.erase(found);
}

const Record* Directory::find(const std::string& container_id) const {
    const auto found = records_.find(container_id);
    return found == records_.end() ? nullptr : &found->second;
}

void Directory::collect(const std::string& network_id, const std::string& name,
                        Found& found) const {
    const auto network = names_.find(network_id);
    if (network == names_.end()) return;
    const auto containers = network->second.find(name);
    if (containers == network->second.end()) return;
    found.is_known = true;
    for (const std::string& id : containers->second)
        for (const Membership& membership : records_.at(id).networks) {
            if (membership.network_id != network_id) continue;
            for (const IpAddress& address : {membership.ipv4, membership.ipv6})
                if (!address.empty()) found.addresses.push_back(address);
        }
}

Directory::Found Directory::find_addresses(const Record& asker, std::string_view name) const {
    Found found;
    for (const Membership& own : asker.networks) {
        const auto link = own.links.find(std::string(name));
        collect(own.network_id, link == own.links.end() ? std::string(name) : link->second, found);
        const std::string suffix = "." + own.network_name;
        if (name.ends_with(suffix))
            collect(own.network_id, std::string(name.substr(0, name.size() - suffix.size())),
                    found);
    }
    return found;
}

std::vector<std::string> Directory::find_names(const Record& asker,
                                               const IpAddress& address) const {
    std::vector<std::string> names;
    for (const Membership& own : asker.networks) {
        const auto network = addresses_.find(own.network_id);
        if (network == addresses_.end()) continue;
        const auto owner = network->second.find(address);
        if (owner == network->second.end()) continue;
        for (const Membership& membership : records_.at(owner->second).networks)
            if (membership.network_id == own.network_id && !membership.names.empty())
                names.push_back(membership.names.front() + "." + membership.network_name);
    }
    return names;
}

}  // namespace hull::names
