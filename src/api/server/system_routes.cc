#include "api/server/linger.hh"
#include "api/server/routes.hh"
#include "api/server/times.hh"
#include "api/types/system.hh"
#include "engine/engine.hh"
#include "engine/feeds.hh"
#include "engine/fsck.hh"

namespace hull::server {

namespace {

using http::Response;

/// GET and HEAD /_ping: clients learn the API version from the header.
Response ping(Call& call) {
    Response response = Response::text(200, call.exchange.method == "HEAD" ? "" : "OK");
    response.headers.add("Builder-Version", "1");
    response.headers.add("Cache-Control", "no-cache, no-store, must-revalidate");
    response.headers.add("Pragma", "no-cache");
    response.headers.add("Swarm", "inactive");
    return response;
}

Response version(Call& call) { return Response::json(to_json(call.engine.version())); }

Response info(Call& call) { return Response::json(to_json(call.engine.info())); }

/// Events as they come, until `until`.
class EventReply final : public http::LingeringReply {
public:
    explicit EventReply(std::unique_ptr<engine::EventFeed> feed) : feed_(std::move(feed)) {}

    Progress advance(std::string& out) override {
        return feed_->advance([&](const engine::PublishedEvent& event) {
            out += event.line;
            return true;
        });
    }
    std::shared_ptr<Bell> bell() const override { return feed_->bell(); }
    std::optional<std::int64_t> next_look_ns() const override { return feed_->until_ns(); }

private:
    std::unique_ptr<engine::EventFeed> feed_;
};

/// GET /events: one JSON object per line, until `until`. What has been comes on this thread.
void events(Call& call) {
    Filters filters = call.filters();
    if (std::string own = owner_filter(call); !own.empty())
        filters["label"].push_back(std::move(own));
    auto reply = std::make_unique<EventReply>(
        call.engine.follow_events({.since_ns = parse_unix_time(call.query("since")),
                                   .until_ns = parse_unix_time(call.query("until")),
                                   .filters = std::move(filters)}));
    StopEvent& stop = call.exchange.stop_event();
    call.exchange.start_stream(200, {{"Content-Type", "application/json"}});
    linger(call, std::move(reply), stop);
}

/// POST /system/fsck?repair=&verify=: Hull's own.
Response fsck(Call& call) {
    const engine::FsckReport report = call.engine.fsck(call.flag("repair"), call.flag("verify"));
    json::Array areas, faults;
    for (const engine::FsckArea& area : report.areas)
        areas.push_back(json::Object{{"Name", area.name},
                                     {"Contents", area.contents},
                                     {"Bytes", area.bytes},
                                     {"Files", area.files}});
    for (const store::Fault& fault : report.faults)
        faults.push_back(json::Object{{"Code", fault.code},
                                      {"Object", fault.object},
                                      {"Text", fault.text},
                                      {"Repair", fault.repair},
                                      {"Repaired", fault.repaired}});
    return Response::json(json::Object{{"Areas", std::move(areas)},
                                       {"Bytes", report.bytes},
                                       {"Mounts", report.mounts},
                                       {"Faults", std::move(faults)}});
}

constexpr Route routes[] = {
    {"POST", "/system/fsck", fsck}, {"GET", "/_ping", ping}, {"HEAD", "/_ping", ping},
    {"GET", "/version", version},   {"GET", "/info", info},  {"GET", "/events", nullptr, events},
};

}  // namespace

std::span<const Route> system_routes() { return routes; }

}  // namespace hull::server
