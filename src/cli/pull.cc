#include "cli/pull.hh"

#include "base/error.hh"
#include "cli/credentials.hh"
#include "cli/progress.hh"
#include "cli/session.hh"

#include <unistd.h>

namespace hull::cli {

std::string with_default_tag(const std::string& reference) {
    if (reference.find('@') != std::string::npos) return reference;
    const std::size_t slash = reference.rfind('/');
    const std::size_t colon = reference.find(':', slash == std::string::npos ? 0 : slash);
    return colon == std::string::npos ? reference + ":latest" : reference;
}

void pull_image(Session& session, const std::string& reference, const std::string& platform,
                PullOutput output, bool all_tags) {
    const std::string full = all_tags ? reference : with_default_tag(reference);
    http::Query query;
    if (all_tags || full.find('@') != std::string::npos) {
        query.emplace_back("fromImage", full);
    } else {
        const std::size_t colon = full.rfind(':');
        query.emplace_back("fromImage", full.substr(0, colon));
        query.emplace_back("tag", full.substr(colon + 1));
    }
    if (!platform.empty()) query.emplace_back("platform", platform);
    ProgressView view(output == PullOutput::standard_output ? STDOUT_FILENO : STDERR_FILENO);
    const std::string auth = registry_auth_header(session, reference);
    http::ClientResponse response = session.ask([&](client::Client& daemon) {
        return daemon.request_with({{"X-Registry-Auth", auth}}, "POST", "/images/create", query);
    });
    client::read_progress(response, [&](const api::ProgressMessage& message) {
        if (output != PullOutput::quiet) view.show(message);
    });
}

}  // namespace hull::cli
