#pragma once
#include "cli/command.hh"
#include "compose/project.hh"
#include "compose/work.hh"

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace hull::cli {

/// Shows what compose does on standard error: one line for each change of state, or on a terminal
/// one line for each thing, which changes in place.
class ComposeReporter final : public compose::Reporter {
public:
    /// `progress`: auto, tty, plain, json or quiet.
    ComposeReporter(std::string_view progress, bool dry_run);
    void event(std::string_view kind, std::string_view name, std::string_view what) override;
    void warn(std::string_view text) override;

private:
    enum class Style { plain, terminal, json, quiet };
    void redraw();
    std::mutex mutex_;
    Style style_ = Style::plain;
    bool dry_run_;
    struct Line {
        std::string title, what;
    };
    std::vector<Line> lines_;
    std::size_t drawn_ = 0;  ///< lines on the terminal that are ours
};

/// How commands of compose reach the daemon.
class ComposeWork {
public:
    explicit ComposeWork(const Invocation& call, bool dry_run = false);
    compose::Work work;
    ComposeReporter reporter;
    /// A connection for this thread.
    client::Client connect() const { return work.connect(); }
};

/// Name and directory of the project, with the file when there is one.
struct ComposeScope {
    std::string name, directory;  ///< directory "": any
    std::optional<compose::Project> project;
    const compose::Project* get() const { return project ? &*project : nullptr; }
};
/// For commands that also work on what is there when there is no file and -p names the project.
ComposeScope find_compose_scope(const Invocation& call);
/// Containers of the scope; those of the named services when any are named.
compose::State read_compose_state(const Invocation& call, const ComposeScope& scope,
                                  const std::vector<std::string>& services = {});

}  // namespace hull::cli
