#include "cli/credentials.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "cli/session.hh"
#include "cli/ssh.hh"
#include "oci/reference.hh"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace hull::cli {
namespace {

constexpr std::size_t max_reply_bytes = 1UL << 20;
constexpr const char* token_user = "<token>";

std::string string_of(const json::Value& value) {
    return value.is_string() ? value.as_string() : std::string();
}

/// "https://host/v1/" and "host" are the same registry.
std::string host_of(std::string key) {
    if (const std::size_t scheme = key.find("://"); scheme != std::string::npos)
        key.erase(0, scheme + 3);
    return key.substr(0, key.find('/'));
}

/// The helper's name for a registry, "" when config.json keeps its credentials itself.
std::string helper_for(Session& session, const std::string& key) {
    const json::Value& helpers = session.config("credHelpers");
    for (const std::string& name : {key, host_of(key)})
        if (helpers[name].is_string()) return helpers[name].as_string();
    return string_of(session.config("credsStore"));
}

/// Runs docker-credential-HELPER. What it is told goes through a descriptor: arguments are for
/// everybody to see. Source: docker-credential-helpers, README.
std::string run_helper(const std::string& helper, const std::string& verb,
                       const std::string& input) {
    const std::string name = "docker-credential-" + helper;
    Command command;
    command.program = find_program(name);
    if (command.program.empty())
        throw Error(ErrorKind::not_found, "the credential helper {} is not in PATH", name);
    command.arguments = {name, verb};
    const Fd given = make_memory_file("credentials", input);
    sys::Pipe reply = sys::pipe();
    command.descriptors = {{given.get(), 0}, {reply.write_end.get(), 1}};
    Process process = Process::spawn(command);
    reply.write_end.reset();
    std::string text;
    std::array<std::byte, 4096> buffer;
    while (const std::size_t count = sys::read(reply.read_end.get(), buffer)) {
        text.append(reinterpret_cast<const char*>(buffer.data()), count);
        if (text.size() > max_reply_bytes)
            throw Error(ErrorKind::invalid_argument, "{} says too much", name);
    }
    if (process.wait().docker_code() == 0) return text;
    const std::string problem(trim(text));
    if (problem.find("credentials not found") != std::string::npos)
        throw Error(ErrorKind::not_found, "{}", problem);
    throw Error(ErrorKind::internal, "error getting credentials - err: {}: {}", name,
                problem.empty() ? "it failed" : problem);
}

json::Value ask_helper(const std::string& helper, const std::string& key) {
    json::Value reply;
    try {
        reply = json::parse(run_helper(helper, "get", key));
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::not_found &&
            error.message().find("credentials not found") != std::string::npos)
            return {};
        throw;
    }
    json::Object credentials{{"serveraddress", key}};
    if (string_of(reply["Username"]) == token_user) {
        credentials["identitytoken"] = reply["Secret"];
    } else {
        credentials["username"] = reply["Username"];
        credentials["password"] = reply["Secret"];
    }
    return credentials;
}

/// An entry of `auths` as the API wants it; null for one that says nothing.
json::Value expand(const json::Value& entry, const std::string& key) {
    json::Object credentials{{"serveraddress", key}};
    bool says_something = false;
    if (const auto text = decode_base64(string_of(entry["auth"])); text && !text->empty()) {
        const std::size_t colon = text->find(':');
        if (colon == std::string::npos)
            throw Error(ErrorKind::invalid_argument, "invalid auth configuration file");
        credentials["username"] = text->substr(0, colon);
        std::string password = text->substr(colon + 1);
        password.erase(std::min(password.find('\0'), password.size()));
        credentials["password"] = password;
        says_something = true;
    }
    for (const char* name : {"username", "password", "identitytoken", "registrytoken"})
        if (!string_of(entry[name]).empty()) {
            credentials[name] = entry[name];
            says_something = true;
        }
    if (!says_something) return {};
    return credentials;
}

}  // namespace

std::string registry_key_of_server(const std::string& server) {
    if (server.empty()) return hub_key;
    const std::string host = host_of(server);
    if (host == "docker.io" || host == "index.docker.io" || host == "registry-1.docker.io")
        return hub_key;
    return host;
}

std::string registry_key_of_reference(const std::string& reference) {
    return registry_key_of_server(oci::Reference::parse(reference).domain());
}

json::Value find_credentials(Session& session, const std::string& key,
                             const std::string& repository) {
    if (const std::string helper = helper_for(session, key); !helper.empty())
        return ask_helper(helper, key);
    const json::Value& auths = session.config("auths");
    if (!auths.is_object()) return {};
    // The longest path that the repository lies under.
    for (std::string path = repository; path.find('/') != std::string::npos;
         path.resize(path.rfind('/')))
        if (auths[path].is_object())
            if (json::Value found = expand(auths[path], key); !found.is_null()) return found;
    if (auths[key].is_object()) return expand(auths[key], key);
    for (const auto& [name, entry] : auths.as_object())
        if (host_of(name) == host_of(key) &&
            name.find('/', name.find("://") + 3) == std::string::npos)
            return expand(entry, key);
    for (const auto& [name, entry] : auths.as_object())
        if (name.find("://") != std::string::npos && host_of(name) == host_of(key))
            return expand(entry, key);
    return {};
}

json::Object all_credentials(Session& session) {
    json::Object all;
    const json::Value& auths = session.config("auths");
    const auto add = [&](const std::string& key, const auto& find) {
        try {
            if (json::Value found = find(); !found.is_null()) all[key] = std::move(found);
        } catch (const Error& error) {
            session.complain(fmt::format("WARNING: credentials of {}: {}", key, error.message()));
        }
    };
    if (const std::string store = string_of(session.config("credsStore")); !store.empty()) {
        add("the store", [&]() -> json::Value {
            const json::Value users = json::parse(run_helper(store, "list", ""));
            for (const auto& [key, user] : users.as_object())
                add(key, [&, name = key] { return ask_helper(store, name); });
            return {};
        });
    } else if (auths.is_object()) {
        for (const auto& [key, entry] : auths.as_object())
            add(key, [&, name = key, value = entry] { return expand(value, name); });
    }
    const json::Value& helpers = session.config("credHelpers");
    if (helpers.is_object())
        for (const auto& [key, helper] : helpers.as_object())
            add(key, [&, name = key, program = helper.as_string()] {
                return ask_helper(program, name);
            });
    return all;
}

bool store_credentials(Session& session, const std::string& key, const json::Value& credentials) {
    const std::string token = string_of(credentials["identitytoken"]);
    if (const std::string helper = helper_for(session, key); !helper.empty()) {
        run_helper(
            helper, "store",
            json::dump(json::Object{
                {"ServerURL", key},
                {"Username", token.empty() ? credentials["username"] : json::Value(token_user)},
                {"Secret", token.empty() ? credentials["password"] : json::Value(token)}}));
        return false;
    }
    json::Value auths = session.config("auths");
    if (!auths.is_object()) auths = json::Object();
    json::Object entry;
    // With a token the password is needed no more.
    const std::string password = token.empty() ? string_of(credentials["password"]) : "";
    entry["auth"] = encode_base64(string_of(credentials["username"]) + ":" + password);
    if (!token.empty()) entry["identitytoken"] = token;
    auths[key] = std::move(entry);
    session.configuration.set("auths", std::move(auths));
    return true;
}

bool erase_credentials(Session& session, const std::string& key) {
    if (const std::string helper = helper_for(session, key); !helper.empty()) {
        run_helper(helper, "erase", key);
        return true;
    }
    json::Value auths = session.config("auths");
    if (!auths.is_object()) return false;
    bool erased = auths.as_object().erase(key);
    for (const std::string& name : {"https://" + key, "http://" + key})
        erased |= auths.as_object().erase(name);
    if (!erased) return false;
    session.configuration.set(
        "auths", auths.as_object().empty() ? json::Value(json::Object()) : std::move(auths));
    return true;
}

std::string registry_auth_header(Session& session, const std::string& reference) {
    const oci::Reference parsed = oci::Reference::parse(reference);
    json::Value credentials =
        find_credentials(session, registry_key_of_server(parsed.domain()), parsed.name());
    if (credentials.is_null()) credentials = json::Object();
    std::string text = encode_base64(json::dump(credentials));
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    return text;
}

}  // namespace hull::cli
