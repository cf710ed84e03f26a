#include "transfer/fetch.hh"

#include "base/sys.hh"
#include "base/time.hh"
#include "registry/client/http_client.hh"
#include "registry/client/registry.hh"

#include <vector>

namespace hull::transfer {

namespace {

constexpr std::size_t buffer_bytes = 256UL << 10;
constexpr std::int64_t progress_interval_ns = 100'000'000;

}  // namespace

void fetch(const json::Value& request, const registry_client::Configuration& configuration,
           Messages& messages, int output_fd) {
    registry_client::HttpClient client(configuration.network);
    registry_client::Request question;
    question.url = registry_client::parse_url(request["url"].as_string());
    question.headers.add("User-Agent", configuration.user_agent);
    const registry_client::TlsMaterial material =
        configuration.material_for(question.url.authority());
    registry_client::Response response = client.follow(question, material);
    if (response.status >= 400)
        throw Error(response.status == 404 ? ErrorKind::not_found : ErrorKind::unavailable,
                    "failed to GET {} with status {} {}", question.url.str(), response.status,
                    http::status_text(response.status));
    const std::uint64_t total = response.content_length().value_or(0);
    std::uint64_t done = 0;
    std::int64_t told_ns = 0;
    std::vector<std::byte> buffer(buffer_bytes);
    while (const std::size_t count = response.read(buffer)) {
        sys::write_all(output_fd, {reinterpret_cast<const char*>(buffer.data()), count});
        done += count;
        if (total == 0 || monotonic_ns() - told_ns < progress_interval_ns) continue;
        told_ns = monotonic_ns();
        messages.report(json::Object{
            {"state",
             json::Object{
                 {"id", ""}, {"status", "Downloading"}, {"current", done}, {"total", total}}}});
    }
}

}  // namespace hull::transfer
