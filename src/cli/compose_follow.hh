#pragma once
#include "cli/command.hh"
#include "cli/compose_log_view.hh"
#include "compose/project.hh"
#include "compose/state.hh"

#include <signal.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hull::cli {

/// Colors are for terminals unless --ansi says otherwise.
bool compose_colors(const Invocation& call, bool no_color);

/// `logs -f`: until all containers have ended or we are interrupted; containers of the same
/// services that start meanwhile are followed, too.
int follow_logs(Session& session, const std::string& project,
                const std::vector<compose::Container>& containers,
                const client::LogsOptions& options, LogView& view);

/// Watches output and exits of a project's containers. SIGINT, SIGTERM and SIGHUP are blocked while
/// one lives, for threads that are started meanwhile, too.
class Follower {
public:
    Follower(Session& session, std::string project, LogView& view);
    ~Follower();
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;

    /// Attaches to a container that is about to start, or runs. From any thread.
    void attach(const compose::Container& container, bool show);
    /// Follows the log of a container. From any thread.
    void follow(const compose::Container& container, const client::LogsOptions& options);
    /// Ends a run() that waits. From any thread.
    void wake();

    struct Exit {
        compose::Container container;
        int code = 0;
    };
    enum class Why { signal, exited, all_ended, woken };
    struct End {
        Why why = Why::all_ended;
        std::optional<Exit> exit;
    };
    /// Prints until a signal comes, `ends(exit)` is true for a container that ended, wake() is
    /// called, or, with `until_all_ended`, none of the watched ones is left.
    End run(bool until_all_ended, const std::function<bool(const Exit&)>& ends);

private:
    struct Source;
    void add(std::unique_ptr<Source> source, bool is_running);
    void read_events();
    void handle_event(const std::string& line);
    bool read_source(Source& source);
    void note_exit(const compose::Container& container, int code);
    bool all_ended();

    Session& session_;
    std::string project_;
    LogView& view_;
    std::mutex mutex_;  ///< of sources_, watched_ and services_
    std::vector<std::unique_ptr<Source>> sources_;
    std::map<std::string, compose::Container> watched_;  ///< by id: not ended yet
    std::set<std::string> services_;                     ///< whose output is printed
    std::vector<Exit> exits_;                            ///< not yet told
    client::Client events_client_;
    std::optional<http::ClientResponse> events_;
    std::string event_text_;
    Fd signals_, wake_;
    bool woken_ = false;
    sigset_t previous_;
};

}  // namespace hull::cli
