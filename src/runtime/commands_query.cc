#include "base/error.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "linux/cgroup.hh"
#include "runtime/commands.hh"
#include "runtime/stats.hh"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <set>

namespace hull::runtime {
namespace {

void print(std::string_view text) { sys::write_all(STDOUT_FILENO, text); }

json::Value describe(const StateDirectory& states, const ContainerRecord& record) {
    ContainerState state = states.state_of(record);
    json::Object object;
    object.append("ociVersion", record.oci_version);
    object.append("id", record.id);
    object.append("pid", state == ContainerState::stopped ? 0 : record.pid);
    object.append("status", to_string(state));
    object.append("bundle", record.bundle);
    object.append("rootfs", record.rootfs);
    object.append("created", format_rfc3339(record.created_ns));
    if (!record.annotations.empty()) object.append("annotations", record.annotations);
    object.append("owner", record.owner);
    return object;
}

using Row = std::vector<std::string>;

std::string make_table(const std::vector<Row>& rows) {
    std::vector<std::size_t> widths(rows[0].size());
    for (const Row& row : rows)
        for (std::size_t i = 0; i < row.size(); i++) widths[i] = std::max(widths[i], row[i].size());
    std::string text;
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.size(); i++) {
            text += row[i];
            if (i + 1 < row.size()) text.append(widths[i] - row[i].size() + 3, ' ');
        }
        text += '\n';
    }
    return text;
}

std::string run_program(std::vector<std::string> arguments) {
    sys::Pipe pipe = sys::pipe();
    Command command;
    command.arguments = std::move(arguments);
    command.descriptors = {{pipe.write_end.get(), STDOUT_FILENO}};
    Process process = Process::spawn(command);
    pipe.write_end.reset();
    std::string text;
    std::array<std::byte, 4096> buffer;
    while (std::size_t count = sys::read(pipe.read_end.get(), buffer))
        text.append(reinterpret_cast<const char*>(buffer.data()), count);
    if (int code = process.wait().docker_code())
        throw Error(ErrorKind::internal, "ps exited with code {}", code);
    return text;
}

std::vector<std::string_view> split_words(std::string_view line) {
    std::vector<std::string_view> words;
    while (!line.empty()) {
        std::size_t begin = line.find_first_not_of(' ');
        if (begin == std::string_view::npos) break;
        std::size_t end = std::min(line.find(' ', begin), line.size());
        words.push_back(line.substr(begin, end - begin));
        line.remove_prefix(end);
    }
    return words;
}

/// The lines of ps(1) about these processes, heading included.
std::string filter_ps(std::string_view output, const std::set<std::string, std::less<>>& pids) {
    std::string result;
    std::size_t column = 0;
    for (bool is_heading = true; !output.empty(); is_heading = false) {
        std::size_t end = std::min(output.find('\n'), output.size());
        std::string_view line = output.substr(0, end);
        output.remove_prefix(std::min(end + 1, output.size()));
        std::vector<std::string_view> words = split_words(line);
        if (is_heading) {
            auto found = std::find(words.begin(), words.end(), "PID");
            if (found == words.end())
                throw Error(ErrorKind::invalid_argument, "couldn't find PID field in ps output");
            column = static_cast<std::size_t>(found - words.begin());
        }
        bool is_ours = column < words.size() && pids.contains(words[column]);
        if (is_heading || is_ours) result.append(line) += '\n';
    }
    return result;
}

int parse_interval_ms(const std::string& text) {
    double value = 0;
    auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    std::string_view unit(result.ptr,
                          static_cast<std::size_t>(text.data() + text.size() - result.ptr));
    double factor = unit == "ms" ? 1 : unit == "s" ? 1000 : unit == "m" ? 60000 : 0;
    if (result.ec != std::errc() || factor == 0 || value * factor < 1)
        throw Error(ErrorKind::invalid_argument, "bad interval {}", text);
    return static_cast<int>(value * factor);
}

}  // namespace

int run_state(GlobalOptions& global, const Options& options) {
    ContainerRecord record = global.states.load(options.positional(0, "the container ID"));
    print(json::dump_indented(describe(global.states, record), 2) + "\n");
    return 0;
}

int run_list(GlobalOptions& global, const Options& options) {
    std::vector<ContainerRecord> records = global.states.list();
    std::string format = options.get("format", "table");
    if (options.has("quiet")) {
        for (const ContainerRecord& record : records) print(record.id + "\n");
        return 0;
    }
    if (format == "json") {
        json::Array array;
        for (const ContainerRecord& record : records)
            array.push_back(describe(global.states, record));
        print(json::dump(array));
        return 0;
    }
    if (format != "table") throw Error(ErrorKind::invalid_argument, "invalid format option");
    std::vector<Row> rows = {{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
    for (const ContainerRecord& record : records) {
        ContainerState state = global.states.state_of(record);
        rows.push_back({record.id,
                        std::to_string(state == ContainerState::stopped ? 0 : record.pid),
                        std::string(to_string(state)), record.bundle,
                        format_rfc3339(record.created_ns), record.owner});
    }
    print(make_table(rows));
    return 0;
}

int run_ps(GlobalOptions& global, const Options& options) {
    ContainerRecord record = global.states.load(options.positional(0, "the container ID"));
    std::vector<pid_t> pids = get_cgroup(record).list_pids();
    std::string format = options.get("format", "table");
    if (format == "json") {
        json::Array array(pids.begin(), pids.end());
        print(json::dump(array) + "\n");
        return 0;
    }
    if (format != "table") throw Error(ErrorKind::invalid_argument, "invalid format option");
    std::vector<std::string> arguments = {"/usr/bin/ps"};
    arguments.insert(arguments.end(), options.positional().begin() + 1, options.positional().end());
    if (arguments.size() == 1) arguments.push_back("-ef");
    std::set<std::string, std::less<>> wanted;
    for (pid_t pid : pids) wanted.insert(std::to_string(pid));
    print(filter_ps(run_program(arguments), wanted));
    return 0;
}

int run_events(GlobalOptions& global, const Options& options) {
    const std::string& id = options.positional(0, "the container ID");
    ContainerRecord record = global.states.load(id);
    linux_::Cgroup cgroup = get_cgroup(record);
    auto print_stats = [&] { print(json::dump(make_stats_event(id, cgroup.stats())) + "\n"); };
    if (options.has("stats")) {
        print_stats();
        return 0;
    }
    int interval_ms = parse_interval_ms(options.get("interval", "5s"));
    std::optional<Fd> oom = cgroup.open_oom_event();
    Fd pidfd = find_pidfd(record.pid);
    std::array<pollfd, 2> polled{{{oom ? oom->get() : -1, POLLIN, 0}, {pidfd.get(), POLLIN, 0}}};
    while (is_alive(record)) {
        int count = ::poll(polled.data(), polled.size(), interval_ms);
        if (count < 0 && errno != EINTR) throw_errno(errno, "poll");
        if (polled[1].revents) return 0;
        if (polled[0].revents) {
            std::array<std::byte, 4096> buffer;
            sys::read(oom->get(), buffer);
            print(json::dump(json::Object{{"type", "oom"}, {"id", id}}) + "\n");
        } else if (count == 0) {
            print_stats();
        }
    }
    return 0;
}

int run_features(GlobalOptions&, const Options&) {
    print(json::dump_indented(make_features(), 4) + "\n");
    return 0;
}

int run_spec(GlobalOptions&, const Options& options) {
    Path path = join(options.get("bundle", "."), "config.json");
    if (sys::find_stat(path))
        throw Error(ErrorKind::conflict, "file {} exists. Remove it first", path);
    write_file(path, json::dump_indented(make_default_spec(options.has("rootless")), 4) + "\n");
    return 0;
}

}  // namespace hull::runtime
