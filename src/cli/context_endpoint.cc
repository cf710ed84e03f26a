#include "cli/context_endpoint.hh"

#include "base/error.hh"
#include "cli/endpoint.hh"
#include "cli/session.hh"
#include "cli/values.hh"

namespace hull::cli {

ContextEndpoint parse_context_endpoint(const std::vector<std::string>& values) {
    ContextEndpoint endpoint;
    const auto read = [](std::string_view path) {
        return with_context([&] { return read_file(Path(path)); },
                            "unable to create docker endpoint config");
    };
    for (const std::string& value : values) {
        for (const std::string& field : split_csv(value)) {
            const auto [key, given] = cut(field, '=');
            if (!given) fail("{} must be formatted as key=value", field);
            if (key == "host")
                endpoint.host = normal_host(*given);
            else if (key == "from")
                endpoint.from = *given;
            else if (key == "ca" || key == "cert" || key == "key")
                endpoint.tls[std::string(key) + ".pem"] = read(*given);
            else if (key == "skip-tls-verify")
                endpoint.skip_tls_verify = parse_bool(*given);
            else
                fail("unable to create docker endpoint config: unrecognized config key: {}", key);
        }
    }
    if (endpoint.tls.count("cert.pem") != endpoint.tls.count("key.pem"))
        fail("unable to create docker endpoint config: cert and key belong together");
    return endpoint;
}

Context get_context(const Session& session, std::string_view name) {
    if (name != default_context) return ContextStore(session.configuration.directory()).get(name);
    Context context;
    context.name = default_context;
    const std::string host = setting("HOST");
    context.metadata = json::Object{
        {"Name", name},
        {"Metadata", json::Object{}},
        {"Endpoints",
         json::Object{{"docker", json::Object{{"Host", host.empty() ? std::string(default_host)
                                                                    : normal_host(host)},
                                              {"SkipTLSVerify", false}}}}}};
    return context;
}

}  // namespace hull::cli
