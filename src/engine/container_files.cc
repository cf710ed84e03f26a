// What happens to a container's files: cp, export, diff and commit. The work is hull-files'; here
// it is decided on which root, and what a client's archive goes through before.
#include "base/error.hh"
#include "base/log.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "engine/files_run.hh"
#include "engine/implementation.hh"
#include "engine/merge.hh"
#include "engine/mounts.hh"
#include "engine/staged_mounts.hh"
#include "engine/text.hh"
#include "oci/image_config.hh"
#include "store/space.hh"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <thread>

namespace hull::engine {

namespace {

/// What the kernel mounts there is no file of the container's.
constexpr const char* engine_mounts[] = {"/dev", "/proc", "/sys"};

/// Root and mount namespace of a running container.
struct LiveRoot {
    Fd root, mount_namespace;
};

/// Empty when the process has ended meanwhile.
std::optional<LiveRoot> find_live_root(const RunState& state) {
    if (!state.is_running()) return std::nullopt;
    const std::string process = "/proc/" + std::to_string(state.pid);
    LiveRoot live{Fd(::open((process + "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)),
                  Fd(::open((process + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC))};
    // Opened before it is looked at: a recycled pid is not ours.
    if (!live.root || !live.mount_namespace || find_start_time(state.pid) != state.start_time)
        return std::nullopt;
    return live;
}

std::vector<files::BindMount> to_binds(const std::vector<PlannedMount>& plan) {
    std::vector<files::BindMount> binds;
    for (const PlannedMount& mount : plan)
        if (mount.type != PlannedMount::Type::tmpfs)
            binds.push_back({mount.source, mount.destination, mount.read_only, mount.recursive});
    return binds;
}

/// A thread that is joined, and whose error is kept.
class Worker {
public:
    template <typename Body>
    explicit Worker(Body body)
        : thread_([this, work = std::move(body)]() mutable {
              try {
                  work();
              } catch (const Error& error) {
                  error_ = error;
              } catch (const std::exception& error) {
                  error_ = Error(ErrorKind::internal, "{}", error.what());
              }
          }) {}
    ~Worker() {
        if (thread_.joinable()) thread_.join();
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    const std::optional<Error>& wait() {
        thread_.join();
        return error_;
    }

private:
    std::optional<Error> error_;
    std::thread thread_;
};

}  // namespace

files::Request Engine::Implementation::files_request(const std::string& name, files::Verb verb,
                                                     const Definition& definition) const {
    const ContainerPaths where = paths(definition.id);
    files::Request request;
    request.verb = verb;
    request.container = name;
    request.rootfs = store_.prepare_rootfs(definition.diff_ids, where.upper, where.work);
    request.rootfs.lowers.push_back(
        {linux_::LowerLayer::Kind::directory, skeleton_directory(options_)});
    request.scratch = where.rootfs;
    request.read_only_root = definition.host.readonly_rootfs;
    request.mounts = to_binds(definition.plan);
    for (const char* path : engine_mounts)
        if (std::none_of(request.mounts.begin(), request.mounts.end(),
                         [&](const files::BindMount& mount) { return mount.destination == path; }))
            request.hidden.push_back(path);
    return request;
}

/// Runs it on the live root, or on the one of a container that does not run.
void Engine::Implementation::run_on_files(
    const Record& record, FilesCommand command,
    const std::function<void(const std::optional<files::PathStat>&)>& ready, StopEvent& stop) {
    command.program = join(options_.programs, "hull-files");
    const std::optional<LiveRoot> live = find_live_root(record.state);
    std::optional<MountedVolumes> mounted;
    StagedMounts staged(staging_directory());
    if (!live && !command.request.mounts.empty()) {
        mounted.emplace(volumes.volumes(), record.definition->plan,
                        "a copy of files of container " + record.id().substr(0, 12));
        std::vector<PlannedMount> plan = mounted->plan();
        staged.stage(plan, store_);
        command.request.mounts = to_binds(plan);
    }
    if (live) {
        command.request.running = true;
        command.root_fd = live->root.get();
        command.namespace_fd = live->mount_namespace.get();
    }
    run_files(command, ready, &stop);
}

namespace {

/// The path of a request, from the root. Docker's text for none.
Path absolute_path(const std::string& path) {
    if (path.empty())
        throw Error(ErrorKind::invalid_argument, "bad parameter: pathcannot be empty");
    if (path.find('\0') != std::string::npos)
        throw Error(ErrorKind::invalid_argument, "a path cannot hold a NUL");
    return path.starts_with('/') ? path : "/" + path;
}

}  // namespace

files::PathStat Engine::Implementation::stat_path(const std::string& name, const std::string& path,
                                                  StopEvent& stop) {
    const RecordPointer record = table_.get(name)->snapshot();
    FilesCommand command;
    command.request = files_request(name, files::Verb::stat, *record->definition);
    command.request.path = absolute_path(path);
    files::PathStat found;
    run_on_files(
        *record, std::move(command),
        [&](const std::optional<files::PathStat>& stat) { found = stat.value(); }, stop);
    return found;
}

void Engine::Implementation::read_path(const std::string& name, const std::string& path,
                                       const std::function<void(const files::PathStat&)>& begin,
                                       int output_fd, StopEvent& stop) {
    const RecordPointer record = table_.get(name)->snapshot();
    FilesCommand command;
    command.request = files_request(name, files::Verb::read, *record->definition);
    command.request.path = absolute_path(path);
    command.output_fd = output_fd;
    run_on_files(
        *record, std::move(command),
        [&](const std::optional<files::PathStat>& stat) {
        publish(*record, "archive-path");
        begin(stat.value());
        },
        stop);
}

/// The archive goes through hull-transfer, which makes records of it, to hull-files, which makes
/// the files (ADR 009).
void Engine::Implementation::write_records(const Record& record, FilesCommand command, int input_fd,
                                           StopEvent& stop) {
    sys::Pipe records = sys::pipe();
    StopEvent parser_stop;
    Worker parser([&, output = std::move(records.write_end)]() mutable {
        try {
            images_.unpack(input_fd, output.get(), &parser_stop);
        } catch (...) {
            output.reset();
            throw;
        }
        output.reset();
    });
    command.input_fd = records.read_end.get();
    std::optional<Error> failure;
    try {
        run_on_files(
            record, std::move(command), [](const auto&) {}, stop);
    } catch (const Error& error) {
        failure = error;
    }
    // What the writer of files says is the reason, unless it only missed the end of what it read.
    if (failure && failure->kind() != ErrorKind::data_loss) parser_stop.request();
    records.read_end.reset();
    const std::optional<Error>& parse_failure = parser.wait();
    if (failure && !(failure->kind() == ErrorKind::data_loss && parse_failure)) throw *failure;
    if (parse_failure) throw *parse_failure;
}

void Engine::Implementation::write_path(const std::string& name, const std::string& path,
                                        const WritePathOptions& options, int input_fd,
                                        StopEvent& stop) {
    const ContainerPointer container = table_.get(name);
    // A root that is mounted to be written must not be started meanwhile.
    std::unique_lock operation(container->operation, std::defer_lock);
    RecordPointer record = container->snapshot();
    if (!record->state.is_running()) {
        operation.lock();
        record = container->snapshot();
        if (record->state.is_running()) operation.unlock();
    }
    FilesCommand command;
    command.request = files_request(name, files::Verb::write, *record->definition);
    command.request.path = absolute_path(path);
    command.request.keep_kinds = options.keep_kinds;
    if (options.use_container_user) command.request.owner = record->definition->config.user;
    try {
        write_records(*record, std::move(command), input_fd, stop);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::internal) throw;
        throw Error(error.kind(), "{}{}", error.message(),
                    store::describe_shortage(options_.data_root, container_files_bytes));
    }
    publish(*record, "extract-to-dir");
}

void Engine::Implementation::export_root(const std::string& name,
                                         const std::function<void()>& begin, int output_fd,
                                         StopEvent& stop) {
    const RecordPointer record = table_.get(name)->snapshot();
    FilesCommand command;
    command.request = files_request(name, files::Verb::export_root, *record->definition);
    command.request.mounts.clear();
    command.output_fd = output_fd;
    run_on_files(
        *record, std::move(command), [&](const auto&) { begin(); }, stop);
    publish(*record, "export");
}

std::string Engine::Implementation::changes(const std::string& name, StopEvent& stop) {
    const RecordPointer record = table_.get(name)->snapshot();
    FilesCommand command;
    command.request = files_request(name, files::Verb::changes, *record->definition);
    sys::Pipe pipe = sys::pipe();
    command.output_fd = pipe.write_end.get();
    std::string text;
    Worker reader([&text, input = std::move(pipe.read_end)]() {
        std::vector<std::byte> buffer(64 << 10);
        while (const std::size_t count = sys::read(input.get(), buffer))
            text.append(reinterpret_cast<const char*>(buffer.data()), count);
    });
    try {
        run_on_files(
            *record, std::move(command), [](const auto&) {}, stop);
    } catch (...) {
        pipe.write_end.reset();
        throw;
    }
    pipe.write_end.reset();
    if (const auto& failure = reader.wait()) throw *failure;
    return text;
}

// ---------------------------------------------------------------- commit

namespace {

/// The config block of the image: the changes over the request's own config over the container's.
/// What belongs to one container only, like its host name, stays out.
json::Value make_image_block(const CommitRequest& request, const Definition& definition) {
    const auto block_of = [](const api::ContainerConfig& config) {
        oci::ImageConfigBlock block = oci::parse_image_config_block(to_json(config));
        block.unknown = json::Object();
        return block;
    };
    api::ContainerConfig below = request.config;
    merge_image_config(below, block_of(definition.config));
    api::ContainerConfig config =
        request.changes ? api::parse<api::ContainerConfig>(request.changes(below.working_dir))
                        : api::ContainerConfig();
    merge_image_config(config, block_of(below));
    return to_json(block_of(config));
}

std::string join_words(const api::ContainerConfig& config) {
    std::string text;
    for (const std::string& word : config.cmd) text += (text.empty() ? "" : " ") + word;
    return text;
}

}  // namespace

/// The layer flows from hull-files through hull-transfer into the store, all at the same time.
std::string Engine::Implementation::commit_layer(const std::string& name, const Record& record,
                                                 const image::CommitOptions& options,
                                                 StopEvent& stop) {
    FilesCommand command;
    command.request = files_request(name, files::Verb::layer, *record.definition);
    sys::Pipe layer = sys::pipe();
    StopEvent reader_stop;
    std::optional<Error> failure;
    std::string id;
    Worker reader([&, output = std::move(layer.write_end)]() mutable {
        command.output_fd = output.get();
        try {
            run_on_files(
                record, std::move(command), [](const auto&) {}, reader_stop);
        } catch (...) {
            output.reset();
            throw;
        }
        output.reset();
    });
    try {
        id = images_.commit(layer.read_end.get(), options, &stop);
    } catch (const Error& error) {
        failure = error;
        reader_stop.request();
    }
    const std::optional<Error>& read_failure = reader.wait();
    // A layer that could not be read to its end made a tar that was cut short.
    if (read_failure && read_failure->kind() != ErrorKind::cancelled) throw *read_failure;
    if (failure) throw *failure;
    return id;
}

std::string Engine::Implementation::commit(const std::string& name, const CommitRequest& request,
                                           StopEvent& stop) {
    const ContainerPointer container = table_.get(name);
    const RecordPointer record = container->snapshot();
    const Definition& definition = *record->definition;
    image::CommitOptions options;
    options.base = definition.image_id;
    options.reference = request.reference;
    options.config = make_image_block(request, definition);
    options.author = request.author;
    options.comment = request.comment;
    options.created_by = join_words(definition.config);
    if (!images_.find_image(definition.image_id))
        throw Error(ErrorKind::conflict,
                    "the image {} of container {} was removed, and its configuration with it: "
                    "use export and import instead",
                    definition.image_id, name);

    bool paused = false;
    if (request.pause && record->state.phase == Phase::running) {
        pause(name, true);
        paused = true;
    }
    const auto unpause = [&] {
        if (!std::exchange(paused, false)) return;
        try {
            pause(container->id, false);
        } catch (const Error& error) {  // it was killed, or somebody has unpaused it
            log::info("unpausing container {} after a commit: {}", name, error.message());
        }
    };
    std::string id;
    try {
        id = commit_layer(name, *record, options, stop);
    } catch (...) {
        unpause();
        throw;
    }
    unpause();
    publish(*record, "commit",
            {{"comment", request.comment}, {"imageID", id}, {"imageRef", request.reference}});
    return id;
}

}  // namespace hull::engine
