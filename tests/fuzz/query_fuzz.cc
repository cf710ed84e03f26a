// Paths, queries, filters and the small languages in them, as the API's routes read them.
#include "api/server/api.hh"
#include "api/server/call.hh"
#include "api/server/changes.hh"
#include "api/server/log_stream.hh"
#include "api/server/times.hh"
#include "base/error.hh"
#include "engine/names.hh"
#include "engine/signals.hh"
#include "engine/text.hh"

#include <cstdint>

namespace {

using namespace hull;

/// A request without a connection: only its parameters are asked for.
struct Request final : http::Exchange {
    StopEvent stop;
    std::size_t read_body(std::span<std::byte>) override { return 0; }
    bool has_body() const override { return false; }
    Fd body_fd() override { return {}; }
    void send(http::Response) override {}
    void start_stream(int, http::Headers) override {}
    void write(std::string_view) override {}
    Fd hijack(const http::Headers&) override { return {}; }
    bool replied() const override { return false; }
    StopEvent& stop_event() override { return stop; }
    void abort() override {}
};

template <typename Body>
void attempt(Body body) {
    try {
        body();
    } catch (const Error&) {
    }
}

/// The routes' own engine and images are not touched by what is called here.
server::Services no_services() {
    alignas(16) static char nothing[16];
    return {reinterpret_cast<engine::Engine&>(nothing), reinterpret_cast<image::Images&>(nothing),
            reinterpret_cast<build::Builder&>(nothing), "none"};
}

void read_parameters(std::string_view text) {
    static Request request;
    static const server::Services services = no_services();
    attempt([&] {
        request.query = http::parse_query(text);
        const server::Call call(services, request, server::newest_minor);
        attempt([&] { call.filters(); });
        attempt([&] { call.find_integer("t"); });
        attempt([&] { server::parse_terminal_size(call); });
        call.flag("follow");
    });
    // The same bytes as the value of `filters`, without the need for escapes.
    request.query = {{"filters", std::string(text)}};
    attempt([&] { server::Call(services, request, server::newest_minor).filters(); });
}

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines(1);
    for (const char c : text)
        if (c == '\n')
            lines.emplace_back();
        else
            lines.back() += c;
    return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    read_parameters(text);
    attempt([&] { server::parse_versioned_path(text); });
    server::match_path("/images/{name...}/json", text);
    server::match_path("/containers/{name}/rename", text);
    server::parse_tail(text);
    attempt([&] { server::parse_unix_time(text); });
    attempt([&] { server::parse_time(text, 1'700'000'000'000'000'000); });
    attempt([&] { server::parse_changes(lines_of(text)); });
    attempt([&] { engine::parse_moment(text); });
    attempt([&] { engine::parse_detach_keys(text); });
    engine::find_signal(text);
    engine::find_size(text);
    engine::clean_path(text);
    engine::is_valid_name(text);
    return 0;
}
