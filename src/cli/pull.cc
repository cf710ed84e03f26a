#include "cli/pull.hh"

#include "api/types/system.hh"
#include "base/error.hh"
#include "cli/session.hh"

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
    session.ask([&](client::Client& daemon) {
        http::ClientResponse response = daemon.request("POST", "/images/create", query);
        std::string line;
        while (response.read_line(line)) {
            if (line.empty()) continue;
            const auto message = api::parse<api::ProgressMessage>(json::parse(line));
            if (!message.error.empty()) throw Error(ErrorKind::internal, "{}", message.error);
            // Counters are for terminals that redraw; lines are for what has happened.
            if (output == PullOutput::quiet || message.progress) continue;
            const std::string text =
                message.id.empty() ? message.status : message.id + ": " + message.status;
            if (output == PullOutput::standard_output)
                session.print_line(text);
            else
                session.complain(text);
        }
    });
}

}  // namespace hull::cli
