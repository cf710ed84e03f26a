#include "cli/compose_reporter.hh"

#include "base/error.hh"
#include "base/json.hh"
#include "cli/compose_project.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"
#include "compose/request.hh"
#include "compose/values.hh"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace hull::cli {
namespace {

/// Where progress goes: standard error, or standard output for COMPOSE_STATUS_STDOUT.
int progress_fd() {
    static const int fd = [] {
        const char* wanted = std::getenv("COMPOSE_STATUS_STDOUT");
        const bool on = wanted && compose::parse_boolean(wanted).value_or(false);
        return on ? STDOUT_FILENO : STDERR_FILENO;
    }();
    return fd;
}

void write_progress(std::string_view text) {
    (void)!::write(progress_fd(), text.data(), text.size());
}

std::string progress_of(const Invocation& call) {
    const Arguments& global = *call.session.group_arguments;
    if (global.given("progress")) return global.text("progress");
    const char* chosen = std::getenv("COMPOSE_PROGRESS");
    if (chosen && *chosen) return chosen;
    if (compose_ansi(call.session) == "never") return "plain";
    return "auto";
}

int parallel_of(const Invocation& call) {
    const Arguments& global = *call.session.group_arguments;
    if (global.given("parallel")) return static_cast<int>(global.integer("parallel"));
    const char* limit = std::getenv("COMPOSE_PARALLEL_LIMIT");
    return limit ? std::atoi(limit) : -1;
}

}  // namespace

ComposeReporter::ComposeReporter(std::string_view progress, bool dry_run) : dry_run_(dry_run) {
    if (progress == "quiet")
        style_ = Style::quiet;
    else if (progress == "json")
        style_ = Style::json;
    else if (progress == "tty" || (progress == "auto" && is_terminal(progress_fd())))
        style_ = Style::terminal;
    else if (progress != "plain" && progress != "auto")
        throw Error(ErrorKind::invalid_argument,
                    "unsupported --progress value \"{}\": auto, tty, plain, json or quiet",
                    progress);
}

void ComposeReporter::event(std::string_view kind, std::string_view name, std::string_view what) {
    const std::lock_guard lock(mutex_);
    const char* mode = dry_run_ ? "DRY-RUN MODE - " : "";
    switch (style_) {
        case Style::quiet: return;
        case Style::plain:
            write_progress(fmt::format(" {}{} {}  {}\n", mode, kind, name, what));
            return;
        case Style::json:
            write_progress(json::dump(json::Object{{"id", fmt::format("{} {}", kind, name)},
                                                   {"status", std::string(what)}}) +
                           "\n");
            return;
        case Style::terminal: break;
    }
    std::string title = fmt::format("{}{} {}", mode, kind, name);
    const auto known = std::find_if(lines_.begin(), lines_.end(),
                                    [&](const Line& line) { return line.title == title; });
    if (known != lines_.end())
        known->what = what;
    else
        lines_.push_back({std::move(title), std::string(what)});
    redraw();
}

void ComposeReporter::redraw() {
    const auto size = find_window_size(progress_fd());
    const std::size_t rows = size && size->rows > 2 ? size->rows - 1U : 23U,
                      columns = size && size->columns ? size->columns : 80U;
    std::string text = drawn_ ? fmt::format("\x1b[{}A", drawn_) : "";
    const std::size_t first = lines_.size() > rows ? lines_.size() - rows : 0;
    drawn_ = lines_.size() - first;
    for (std::size_t i = first; i < lines_.size(); ++i) {
        const Line& line = lines_[i];
        std::string shown = fmt::format(" {}  {}", line.title, line.what);
        if (shown.size() > columns - 1) shown.resize(columns - 1);
        text += "\r\x1b[2K" + shown + "\n";
    }
    write_progress(text);
}

void ComposeReporter::warn(std::string_view text) {
    const std::lock_guard lock(mutex_);
    write_progress(fmt::format("WARNING: {}\n", text));
    drawn_ = 0;
    lines_.clear();
}

ComposeWork::ComposeWork(const Invocation& call, bool dry_run)
    : reporter(progress_of(call), dry_run) {
    call.session.daemon();  // started when it has to be; the threads only connect
    work.connect = [&session = call.session] { return session.make_client(); };
    work.reporter = &reporter;
    work.parallel = parallel_of(call);
    compose::use_underscores(call.session.group_arguments->flag("compatibility") || [] {
        const char* compatible = std::getenv("COMPOSE_COMPATIBILITY");
        return compatible &&
               (std::string_view(compatible) == "1" || std::string_view(compatible) == "true");
    }());
}

ComposeScope find_compose_scope(const Invocation& call) {
    const compose::LoadOptions options = compose_load_options(call);
    ComposeScope scope;
    try {
        scope.project = load_compose_project(call, options);
        scope.name = scope.project->name;
        scope.directory = scope.project->directory;
    } catch (const Error& error) {
        const bool no_file = error.kind() == ErrorKind::not_found &&
                             error.message().starts_with("no configuration file");
        const auto name = no_file ? compose::find_project_name(options) : std::nullopt;
        if (!name) throw;
        scope.name = *name;
    }
    return scope;
}

compose::State read_compose_state(const Invocation& call, const ComposeScope& scope,
                                  const std::vector<std::string>& services) {
    compose::State state = call.session.ask([&](client::Client& daemon) {
        return compose::read_state(daemon, scope.name, scope.directory);
    });
    if (services.empty()) return state;
    for (const std::string& service : services) {
        const bool has_container = std::any_of(
            state.containers.begin(), state.containers.end(),
            [&](const compose::Container& container) { return container.service == service; });
        if (has_container) continue;
        if (!scope.project) throw Error(ErrorKind::not_found, "no such service: {}", service);
        if (!scope.project->disabled.find(service)) scope.project->get_service(service);
    }
    std::erase_if(state.containers, [&](const compose::Container& container) {
        return std::find(services.begin(), services.end(), container.service) == services.end();
    });
    return state;
}

}  // namespace hull::cli
