#include "cli/compose_follow.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "cli/compose_project.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"
#include "compose/labels.hh"
#include "compose/values.hh"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace hull::cli {
namespace {

/// What wake() adds to the eventfd; a new source adds one.
constexpr std::uint64_t woken_mark = 1 << 20;

}  // namespace

bool compose_colors(const Invocation& call, bool is_refused) {
    const std::string ansi = compose_ansi(call.session);
    if (is_refused || ansi == "never") return false;
    if (ansi == "always") return true;
    const char* const no_color = std::getenv("NO_COLOR");  // no-color.org: set, to anything
    return !(no_color && *no_color) && is_terminal(STDOUT_FILENO);
}

/// One stream of output.
struct Follower::Source {
    compose::Container container;
    std::string name;
    bool show = true;
    Fd connection;                                 ///< attached
    std::optional<http::ClientResponse> response;  ///< or a log that is followed
    std::unique_ptr<LineCutter> cutter;
    std::optional<int> exit_code;  ///< told once all output has come
    bool ended = false;

    int fd() const { return response ? response->fd() : connection.get(); }
};

Follower::Follower(Session& session, std::string project, LogView& view)
    : session_(session),
      project_(std::move(project)),
      view_(view),
      events_client_(session.make_client()) {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal_number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, signal_number);
    ::pthread_sigmask(SIG_BLOCK, &set, &previous_);
    signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    client::Filters filters = compose::project_filter(project_);
    filters["type"] = {"container"};
    filters["event"] = {"start", "die"};
    events_ = Session::from_daemon([&] {
        return events_client_.request("GET", "/events",
                                      {{"filters", client::format_filters(filters)}});
    });
}

Follower::~Follower() { ::pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }

void Follower::wake() {
    const std::uint64_t mark = woken_mark;
    (void)!::write(wake_.get(), &mark, sizeof mark);
}

void Follower::add(std::unique_ptr<Source> source, bool is_running) {
    source->name = compose::short_name(source->container, project_);
    {
        const std::lock_guard lock(mutex_);
        view_.add_name(source->name);
        if (is_running) watched_[source->container.id] = source->container;
        if (source->show) services_.insert(source->container.service);
        sources_.push_back(std::move(source));
    }
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
}

void Follower::attach(const compose::Container& container, bool show) {
    client::Client daemon = session_.make_client();
    auto source = std::make_unique<Source>();
    source->container = container;
    source->show = show;
    const bool terminal = daemon.inspect_container(container.id).config.tty;
    source->connection = daemon.attach_container(container.id, {}).fd;
    Source* const raw = source.get();
    source->cutter =
        std::make_unique<LineCutter>(!terminal, [this, raw](std::string_view line, bool is_error) {
            if (raw->show) view_.print(raw->name, line, is_error);
        });
    add(std::move(source), true);
}

void Follower::follow(const compose::Container& container, const client::LogsOptions& options) {
    client::Client daemon = session_.make_client();
    auto source = std::make_unique<Source>();
    source->container = container;
    const api::ContainerInspect inspected = daemon.inspect_container(container.id);
    source->response = daemon.container_logs(container.id, options);
    Source* const raw = source.get();
    source->cutter = std::make_unique<LineCutter>(
        !inspected.config.tty, [this, raw](std::string_view line, bool is_error) {
            view_.print(raw->name, line, is_error);
        });
    add(std::move(source), inspected.state.running || inspected.state.restarting);
}

void Follower::read_events() {
    std::array<std::byte, 16384> buffer;
    const std::size_t count = events_->read(buffer);
    if (count == 0) throw Error(ErrorKind::unavailable, "the daemon ended the stream of events");
    event_text_.append(reinterpret_cast<const char*>(buffer.data()), count);
    for (std::size_t end; (end = event_text_.find('\n')) != std::string::npos;) {
        const std::string line = event_text_.substr(0, end);
        event_text_.erase(0, end + 1);
        if (!line.empty() && line != "\r") handle_event(line);
    }
}

void Follower::handle_event(const std::string& line) {
    const json::Value event = json::parse(line);
    const json::Value& attributes = event["Actor"]["Attributes"];
    const auto attribute = [&](const char* name) {
        return attributes[name].is_string() ? attributes[name].as_string() : std::string();
    };
    if (attribute(compose::labels::one_off) == "True") return;
    compose::Container container;
    container.id = event["Actor"]["ID"].is_string() ? event["Actor"]["ID"].as_string() : "";
    container.name = attribute("name");
    container.service = attribute(compose::labels::service);
    const std::string action = event["Action"].is_string() ? event["Action"].as_string() : "";
    if (action == "die") {
        const std::lock_guard lock(mutex_);
        const int code =
            static_cast<int>(compose::parse_integer(attribute("exitCode")).value_or(0));
        for (const auto& source : sources_)
            if (source->container.id == container.id && !source->exit_code) {
                source->exit_code = code;
                return;
            }
        note_exit(container, code);
        return;
    }
    bool must_follow = false;
    {
        const std::lock_guard lock(mutex_);
        // A source whose end was not told yet is of this run, also when it has ended: the output
        // of a short run comes before the event of its start.
        const bool has_source =
            std::any_of(sources_.begin(), sources_.end(), [&](const auto& source) {
                return source->container.id == container.id && !source->exit_code;
            });
        watched_[container.id] = container;
        must_follow = !has_source && services_.contains(container.service);
    }
    if (!must_follow) return;
    client::LogsOptions options;
    options.follow = true;
    const std::int64_t at = event["timeNano"].is_number() ? event["timeNano"].as_int() : now_ns();
    options.since = fmt::format("{}.{:09}", at / 1'000'000'000, at % 1'000'000'000);
    try {
        follow(container, options);
    } catch (const Error&) {
        // It is gone already; its exit was told or will be.
    }
}

/// The mutex is held.
void Follower::note_exit(const compose::Container& container, int code) {
    watched_.erase(container.id);
    exits_.push_back({container, code});
}

/// False when the source has ended.
bool Follower::read_source(Source& source) {
    std::array<std::byte, 65536> buffer;
    std::size_t count = 0;
    try {
        if (source.response) {
            count = source.response->read(buffer);
        } else {
            const ssize_t got =
                ::recv(source.connection.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
            count = got > 0 ? static_cast<std::size_t>(got) : 0;
        }
    } catch (const Error&) {
        count = 0;
    }
    if (count) {
        source.cutter->feed({reinterpret_cast<const char*>(buffer.data()), count});
        return true;
    }
    source.cutter->finish();
    return false;
}

bool Follower::all_ended() {
    const std::lock_guard lock(mutex_);
    return watched_.empty() && std::all_of(sources_.begin(), sources_.end(),
                                           [](const auto& source) { return source->ended; });
}

Follower::End Follower::run(bool until_all_ended, const std::function<bool(const Exit&)>& ends) {
    for (;;) {
        std::vector<Exit> exits;
        {
            const std::lock_guard lock(mutex_);
            std::erase_if(sources_, [&](const auto& source) {
                if (source->ended && source->exit_code)
                    note_exit(source->container, *source->exit_code);
                return source->ended && source->exit_code;
            });
            exits.swap(exits_);
        }
        for (const Exit& exit : exits) {
            bool restarts = false;
            try {
                client::Client daemon = session_.make_client();
                const api::State state = daemon.inspect_container(exit.container.id).state;
                restarts = state.restarting || state.running;
            } catch (const Error&) {
                // Removed in between.
            }
            bool is_shown = false;
            {
                const std::lock_guard lock(mutex_);
                is_shown = services_.contains(exit.container.service);
                if (restarts) watched_[exit.container.id] = exit.container;
            }
            if (is_shown)
                session_.complain(fmt::format("{} exited with code {}",
                                              compose::short_name(exit.container, project_),
                                              exit.code));
            if (ends(exit)) return {Why::exited, exit};
        }
        if (woken_) {
            woken_ = false;
            return {Why::woken, {}};
        }
        if (until_all_ended && all_ended()) return {Why::all_ended, {}};

        std::vector<pollfd> fds{
            {signals_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}, {events_->fd(), POLLIN, 0}};
        std::vector<Source*> polled;
        bool buffered = events_->has_buffered();
        {
            const std::lock_guard lock(mutex_);
            for (const auto& source : sources_) {
                if (source->ended) continue;
                polled.push_back(source.get());
                fds.push_back({source->fd(), POLLIN, 0});
                buffered = buffered || (source->response && source->response->has_buffered());
            }
        }
        if (::poll(fds.data(), fds.size(), buffered ? 0 : -1) < 0) {
            if (errno == EINTR) continue;
            throw_errno(errno, "poll");
        }
        if (fds[0].revents) {
            signalfd_siginfo info;
            if (::read(signals_.get(), &info, sizeof info) == sizeof info) return {Why::signal, {}};
        }
        if (fds[1].revents) {
            std::uint64_t count = 0;
            (void)!::read(wake_.get(), &count, sizeof count);
            woken_ = count >= woken_mark;
        }
        for (std::size_t i = 0; i < polled.size(); ++i) {
            const bool has_buffered = polled[i]->response && polled[i]->response->has_buffered();
            if (!fds[i + 3].revents && !has_buffered) continue;
            if (read_source(*polled[i])) continue;
            const std::lock_guard lock(mutex_);
            polled[i]->ended = true;
        }
        if (fds[2].revents || events_->has_buffered()) read_events();
    }
}

int follow_logs(Session& session, const std::string& project,
                const std::vector<compose::Container>& containers,
                const client::LogsOptions& options, LogView& view) {
    Follower follower(session, project, view);
    for (const compose::Container& container : containers)
        Session::from_daemon([&] { follower.follow(container, options); });
    const Follower::End end = follower.run(true, [](const Follower::Exit&) { return false; });
    return end.why == Follower::Why::signal ? 130 : 0;
}

}  // namespace hull::cli
