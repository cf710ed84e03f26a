#pragma once
#include "base/json.hh"
#include "linux/ip.hh"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hull::names {

using linux_::IpAddress;

/// A container in one network.
struct Membership {
    std::string network_id, network_name;
    std::vector<std::string> names;  ///< of the container, in lower case
    IpAddress ipv4, ipv6;
    std::map<std::string, std::string> links;  ///< alias -> name; this container's alone
};

struct Record {
    std::string container_id;
    bool forwards = true;            ///< asks the world what we do not know
    std::vector<IpAddress> servers;  ///< of --dns; empty: the host's
    std::vector<Membership> networks;
};

/// What the daemon tells of one container.
json::Value to_json(const Record& record);
Record parse_record(const json::Value& value);

/// Who is called what, in which network.
class Directory {
public:
    void set(Record record);
    void remove(const std::string& container_id);
    const Record* find(const std::string& container_id) const;

    struct Found {
        bool is_known = false;
        std::vector<IpAddress> addresses;
    };
    /// Containers of that name in the networks of `asker`; also NAME.NETWORK. Lower case.
    Found find_addresses(const Record& asker, std::string_view name) const;
    /// NAME.NETWORK of who has that address in a network of `asker`.
    std::vector<std::string> find_names(const Record& asker, const IpAddress& address) const;

private:
    void collect(const std::string& network_id, const std::string& name, Found& found) const;

    std::map<std::string, Record> records_;
    /// network -> name -> containers
    std::map<std::string, std::map<std::string, std::set<std::string>>> names_;
    std::map<std::string, std::map<IpAddress, std::string>> addresses_;  ///< network -> ...
};

}  // namespace hull::names
