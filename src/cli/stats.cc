#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "cli/commands.hh"
#include "cli/format.hh"
#include "cli/session.hh"
#include "cli/stats_sample.hh"
#include "cli/terminal.hh"
#include "cli/values.hh"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <list>
#include <optional>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"all", 'a', FlagType::boolean, "Show all containers, not only running ones"},
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
    {"no-stream", 0, FlagType::boolean, "Print one sample and end"},
    {"no-trunc", 0, FlagType::boolean, "Do not shorten columns"},
};

constexpr Listing::Column columns[] = {
    {"Container", "CONTAINER"},
    {"Name", "NAME"},
    {"ID", "CONTAINER ID"},
    {"CPUPerc", "CPU %"},
    {"MemUsage", "MEM USAGE / LIMIT"},
    {"MemPerc", "MEM %"},
    {"NetIO", "NET I/O"},
    {"BlockIO", "BLOCK I/O"},
    {"PIDs", "PIDS"},
};

constexpr Listing listing{
    .type_name = "*stats.statsContext",
    .default_table =
        "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t"
        "{{.BlockIO}}\t{{.PIDs}}",
    .quiet = "{{.ID}}",
    .columns = columns,
};

constexpr int redraw_ms = 500;
/// A daemon that measures takes up to two seconds; nobody waits longer for a first picture.
constexpr int first_picture_ms = 2500;

/// One container that is watched: first its request is under way, then its messages come.
struct Watch {
    std::string name;
    client::Client client;
    std::optional<http::PendingResponse> pending;
    std::optional<http::ClientResponse> messages;
    std::optional<StatsSample> sample;
    bool ended = false;

    int fd() const { return pending ? pending->fd() : messages ? messages->fd() : -1; }
    bool has_buffered() const { return messages && messages->has_buffered(); }
};

class Watcher {
public:
    Watcher(Session& session, const Arguments& arguments)
        : session_(session),
          one_sample_(arguments.flag("no-stream")),
          all_(arguments.flag("all")),
          shorten_(!arguments.flag("no-trunc")),
          named_(!arguments.positional.empty()),
          terminal_(is_terminal(STDOUT_FILENO)),
          format_(arguments.text("format")) {
        if (format_.empty() && session.config("statsFormat").is_string())
            format_ = session.config("statsFormat").as_string();
        render();  // a bad template is told before anything is asked
        if (named_)
            for (const std::string& name : arguments.positional) add(name);
        else
            add_listed();
    }

    int run() {
        if (one_sample_) {
            while (std::any_of(watches_.begin(), watches_.end(),
                               [](const Watch& watch) { return !watch.sample && !watch.ended; }))
                wait(-1);
            complain();
            if (!named_ || std::any_of(watches_.begin(), watches_.end(),
                                       [](const Watch& watch) { return watch.sample.has_value(); }))
                session_.print(render());
            return problems_ == 0 ? 0 : 1;
        }
        std::int64_t next_picture_ms = monotonic_ns() / 1'000'000 + first_picture_ms;
        bool drawn = false;
        while (!named_ || !watches_.empty()) {
            const std::int64_t now_ms = monotonic_ns() / 1'000'000;
            const bool complete =
                std::all_of(watches_.begin(), watches_.end(),
                            [](const Watch& watch) { return watch.sample.has_value(); });
            if (now_ms >= next_picture_ms || (!drawn && complete)) {
                complain();
                draw();
                drawn = true;
                next_picture_ms = now_ms + redraw_ms;
            }
            wait(static_cast<int>(std::max<std::int64_t>(next_picture_ms - now_ms, 0)));
            std::erase_if(watches_, [](const Watch& watch) { return watch.ended; });
        }
        complain();
        return problems_ == 0 ? 0 : 1;
    }

private:
    void add(const std::string& name) {
        for (const Watch& watch : watches_)
            if (watch.name == name) return;
        Watch watch{name, session_.make_client(), {}, {}, {}};
        watch.pending =
            watch.client.start_get("/containers/" + http::encode_percent(name) + "/stats",
                                   {{"stream", one_sample_ ? "0" : "1"}});
        watches_.push_back(std::move(watch));
    }

    /// The containers there are and, while streaming, those that come.
    void add_listed() {
        if (!one_sample_) {
            events_client_.emplace(session_.make_client());
            events_ = Session::from_daemon([&] {
                return events_client_->request(
                    "GET", "/events",
                    {{"filters", client::format_filters({{"type", {"container"}}})}});
            });
        }
        const auto containers = session_.ask(
            [&](client::Client& daemon) { return daemon.list_containers(all_, 0, false, {}); });
        for (const api::ContainerSummary& container : containers) add(container.id);
    }

    void follow_events() {
        std::string line;
        if (!events_->read_line(line))
            throw Error(ErrorKind::unavailable, "the daemon ended the stream of events");
        if (line.empty()) return;
        const auto event = api::parse<api::EventMessage>(json::parse(line));
        if (event.action == (all_ ? "create" : "start")) add(event.actor.id);
        if (event.action == "destroy" || (!all_ && event.action == "die"))
            std::erase_if(watches_,
                          [&](const Watch& watch) { return watch.name == event.actor.id; });
    }

    /// Takes what came; an answer that says no ends the watch.
    void advance(Watch& watch) {
        try {
            if (watch.pending) {
                http::PendingResponse pending = std::move(*watch.pending);
                watch.pending.reset();
                watch.messages = Session::from_daemon(
                    [&] { return client::Client::finish(std::move(pending)); });
                return;
            }
            std::string line;
            if (!watch.messages->read_line(line)) {
                watch.ended = true;
                return;
            }
            if (!line.empty()) watch.sample = make_stats_sample(json::parse(line));
            if (one_sample_) watch.ended = true;
        } catch (const Error& error) {
            watch.ended = true;
            // A container that was listed may be gone by now.
            if (named_ || error.kind() != ErrorKind::not_found) {
                ++problems_;
                complaints_ += (complaints_.empty() ? "" : "\n") + error.message();
            }
        }
    }

    void wait(int timeout_ms) {
        std::vector<pollfd> fds;
        bool buffered = events_ && events_->has_buffered();
        for (const Watch& watch : watches_) {
            fds.push_back({watch.ended ? -1 : watch.fd(), POLLIN, 0});
            buffered |= !watch.ended && watch.has_buffered();
        }
        if (events_) fds.push_back({events_->fd(), POLLIN, 0});
        if (::poll(fds.data(), fds.size(), buffered ? 0 : timeout_ms) < 0) {
            if (errno == EINTR) return;
            throw_errno(errno, "poll");
        }
        std::size_t at = 0;
        for (Watch& watch : watches_) {
            const bool ready = fds[at++].revents != 0 || watch.has_buffered();
            if (ready && !watch.ended) advance(watch);
        }
        if (events_ && (fds[at].revents || events_->has_buffered())) follow_events();
    }

    std::string render() const {
        std::vector<Row> rows;
        for (const Watch& watch : watches_) {
            if (one_sample_ && !watch.sample) continue;
            rows.push_back({make_row(watch)});
        }
        return format_listing(listing, format_, false, rows);
    }

    json::Object make_row(const Watch& watch) const {
        const StatsSample sample = watch.sample.value_or(StatsSample{});
        const auto known = [&](std::string text, std::string_view unknown = "--") {
            return watch.sample ? text : std::string(unknown);
        };
        const auto pair = [&](double first, double second) {
            return known(fmt::format("{} / {}", human_size(first, 3), human_size(second, 3)));
        };
        const std::string& id = sample.id.empty() ? watch.name : sample.id;
        return json::Object{
            {"BlockIO", pair(sample.block_read, sample.block_written)},
            {"CPUPerc", known(fmt::format("{:.2f}%", sample.cpu_percent))},
            {"Container", named_ || !shorten_ ? watch.name : short_id(watch.name)},
            {"ID", shorten_ ? short_id(id) : id},
            {"MemPerc", known(fmt::format("{:.2f}%", sample.memory_percent))},
            {"MemUsage", known(fmt::format("{} / {}", human_binary_size(sample.memory),
                                           human_binary_size(sample.memory_limit)),
                               "-- / --")},
            {"Name", known(sample.name)},
            {"NetIO", pair(sample.network_received, sample.network_sent)},
            {"PIDs", known(std::to_string(sample.pids))},
        };
    }

    /// On a terminal the new picture takes the old one's place: home, lines cleared as they are
    /// written, the rest cleared at the end. Elsewhere pictures follow each other.
    void draw() const {
        const std::string picture = render();
        if (!terminal_) {
            session_.print(picture);
            return;
        }
        std::string text = "\033[H";
        for (char c : picture) text += c == '\n' ? std::string("\033[K\n") : std::string(1, c);
        session_.print(text + "\033[J");
    }

    void complain() {
        if (!complaints_.empty()) session_.complain(std::exchange(complaints_, {}));
    }

    Session& session_;
    const bool one_sample_, all_, shorten_, named_, terminal_;
    std::string format_;
    std::list<Watch> watches_;
    std::optional<client::Client> events_client_;
    std::optional<http::ClientResponse> events_;
    int problems_ = 0;
    std::string complaints_;
};

int run(Invocation& call) {
    call.session.daemon();
    return Watcher(call.session, call.arguments).run();
}

}  // namespace

const Command stats_command{
    .name = "container stats",
    .aliases = {"stats"},
    .usage = "[OPTIONS] [CONTAINER...]",
    .summary = "Show what containers use of the machine, as it changes",
    .args = at_least(0),
    .flags = flags,
    .run = run,
    .completes = Completes::running_containers,
};

}  // namespace hull::cli
