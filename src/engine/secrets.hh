#pragma once
#include "api/types/host_config.hh"
#include "api/types/secret.hh"
#include "base/file.hh"
#include "engine/engine.hh"

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hull::engine {

/// Texts that containers get and nobody is shown: one file each for what everybody may know and for
/// the text itself, which only root may read. Thread-safe.
class Secrets {
public:
    /// Who has containers and tells of events. Called with a lock of Secrets held.
    class Owner {
    public:
        virtual ~Owner() = default;
        /// The name of a container that has the secret of that name, "" for none.
        virtual std::string find_secret_user(const std::string& name) = 0;
        /// One was made, changed or removed.
        virtual void publish_secret(std::string_view action, const api::Secret& secret) = 0;
    };
    Secrets(Path directory, Owner& owner);

    /// Returns its id. Throws conflict when there is one of that name.
    std::string create(const api::SecretSpec& spec);
    /// By name. Filters: id, name, names, label.
    std::vector<api::Secret> list(const Filters& filters) const;
    /// By id, name or unambiguous prefix of an id.
    api::Secret inspect(const std::string& name) const;
    /// Throws conflict when a container has it.
    void remove(const std::string& name);
    /// Only labels can change. `version` must be its present one: Docker's guard against two
    /// changes at a time.
    void update(const std::string& name, std::uint64_t version, const api::SecretSpec& spec);

    /// Completes and checks what a container asks for. Throws invalid_argument.
    void check(std::vector<api::SecretUse>& uses, const std::string& user,
               std::vector<std::string>& warnings) const;
    /// "NAME=text" of those that are variables. Throws not_found when one is gone.
    std::vector<std::string> environment(const std::vector<api::SecretUse>& uses) const;
    /// The text of one. By name.
    std::string read(const std::string& name) const;

private:
    Path text_path(const std::string& id) const { return join(directory_, id + ".text"); }
    Path record_path(const std::string& id) const { return join(directory_, id + ".json"); }
    const api::Secret& find(const std::string& name) const;
    void load();

    const Path directory_;
    Owner& owner_;
    mutable std::mutex mutex_;
    std::map<std::string, api::Secret> by_name_;
};

}  // namespace hull::engine
