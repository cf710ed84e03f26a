#include "registry/worker.hh"

#include "base/error.hh"
#include "base/stop.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "http/server.hh"
#include "linux/sandbox.hh"
#include "registry/engine_contents.hh"
#include "registry/messages.hh"
#include "registry/upstream.hh"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

namespace hull::registry {

namespace {

constexpr uid_t default_uid = 64994;
constexpr int first_inherited_fd = 4;

StopEvent* stop_on_signal = nullptr;

void handle_signals(StopEvent& stop) {
    stop_on_signal = &stop;
    struct sigaction action {};
    action.sa_handler = [](int) { stop_on_signal->request(); };
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGTERM, &action, nullptr);
    ::signal(SIGINT, SIG_IGN);  // the terminal's; the supervisor answers it
    ::signal(SIGHUP, SIG_IGN);
    ::signal(SIGUSR1, SIG_IGN);
    ::signal(SIGPIPE, SIG_IGN);
}

/// Opens the data directory and, as root, finds whose it is or gives a new one away.
Fd open_data(const Options& options, uid_t& uid) {
    sys::mkdir_all(options.data, 0750);
    Fd directory = sys::open(options.data, O_RDONLY | O_DIRECTORY);
    uid = ::geteuid();
    if (uid != 0) return directory;
    const uid_t owner = sys::fstat(directory.get()).st_uid;
    uid = options.user.value_or(owner != 0 ? owner : default_uid);
    if (uid == 0) throw Error(ErrorKind::invalid_argument, "the registry must not run as root");
    if (owner == uid) return directory;
    if (owner != 0 || !sys::list_directory(options.data).empty())
        throw Error(ErrorKind::forbidden,
                    "{} belongs to user {}, the registry runs as {}: chown -R {} {}", options.data,
                    owner, uid, uid, options.data);
    if (::fchown(directory.get(), uid, uid) != 0)
        throw_errno(errno, "giving {} to user {}", options.data, uid);
    return directory;
}

void lock_in(const Options& options) {
    uid_t uid = 0;
    const Fd directory = open_data(options, uid);
    linux_::SandboxOptions sandbox;
    sandbox.uid = uid;
    sandbox.directory = directory.get();
    sandbox.network = true;
    sandbox.listens = sandbox.keeps_tree = true;
    sandbox.first_kept_fd = first_inherited_fd;
    const linux_::SandboxReport report = linux_::enter_sandbox(sandbox);
    if (report.landlock_abi == 0)
        log::warning("this kernel has no Landlock: only the user {} keeps the registry from files",
                     uid);
}

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// The key pair that our own tokens are signed with: made once, kept beside the data.
std::shared_ptr<const TokenKeys> load_own_keys(const Options& options, const AuthFiles& files) {
    if (files.htpasswd.empty() || !files.token_keys.empty() ||
        options.auth.kind == AuthOptions::Kind::basic)
        return nullptr;
    const Path path = "./.hull-registry-token-key";
    if (const auto pem = find_file(path))
        return std::make_shared<const TokenKeys>(TokenKeys::parse_pair(*pem));
    auto keys = std::make_shared<const TokenKeys>(TokenKeys::make_pair());
    write_file_atomic(path, keys->pair_pem(), 0600);
    return keys;
}

/// Removes what clients have given up and what no repository needs, now and then.
class Housekeeping {
public:
    Housekeeping(Uploads& uploads, Collector& collector, Quotas& quotas, Metrics& metrics,
                 Upstream* upstream, const Options& options)
        : uploads_(uploads),
          collector_(collector),
          quotas_(quotas),
          metrics_(metrics),
          upstream_(upstream),
          options_(options),
          thread_([this] { run(); }) {}
    ~Housekeeping() {
        stop_.request();
        thread_.join();
    }
    void collect_soon() {
        is_asked_ = true;
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
    }

private:
    void run() {
        const int pause_ms =
            static_cast<int>(std::clamp<std::int64_t>(options_.upload_age_s * 250, 1000, 600'000));
        std::int64_t collected_ns = monotonic_ns();
        for (;;) {
            expire();
            const std::int64_t due_ns = options_.collect_every_s * 1'000'000'000;
            if (is_asked_.exchange(false) ||
                (due_ns > 0 && monotonic_ns() - collected_ns >= due_ns)) {
                collect();
                collected_ns = monotonic_ns();
            }
            pollfd fds[] = {{stop_.fd(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
            ::poll(fds, 2, pause_ms);
            if (fds[0].revents) return;
            std::uint64_t count = 0;
            [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
        }
    }

    void expire() {
        try {
            const std::size_t removed = uploads_.expire(options_.upload_age_s * 1'000'000'000);
            if (removed > 0) log::info("removed {} uploads that nobody ended", removed);
        } catch (const std::exception& error) {
            log::error("removing old uploads: {}", error.what());
        }
    }

    void collect() {
        try {
            if (const std::size_t old = upstream_ ? upstream_->expire() : 0; old > 0)
                log::info("removed {} manifests that nobody asked for any more", old);
            const Collector::Report report = collector_.run();
            quotas_.forget_all();
            metrics_.collections++;
            metrics_.collected_blobs += report.blobs;
            metrics_.collected_bytes += report.bytes;
            log::info(
                "garbage collection: {} blobs of {} bytes removed, {} links and {} manifests of "
                "repositories",
                report.blobs, report.bytes, report.links, report.manifests);
        } catch (const std::exception& error) {
            log::error("collecting garbage: {}", error.what());
        }
    }

    Uploads& uploads_;
    Collector& collector_;
    Quotas& quotas_;
    Metrics& metrics_;
    Upstream* upstream_;  ///< may be null
    const Options& options_;
    StopEvent stop_;
    const Fd wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::atomic<bool> is_asked_ = false;
    std::thread thread_;
};

/// Follows the supervisor's orders on a thread of its own. Its end of the socket is closed when it
/// has died: nothing we do is lost by ending at once, and whoever is started next waits for our
/// lock.
void follow_supervisor(int control, const std::function<void(SupervisorMessage)>& act) {
    std::thread([control, act] {
        for (;;) {
            try {
                auto message = receive_supervisor_message(control);
                if (!message) ::_exit(1);
                act(*std::move(message));
            } catch (const std::exception& error) {
                log::error("{}: what was loaded before stays", error.what());
            }
        }
    }).detach();
}

}  // namespace

void run_worker(const Options& options, WorkerInput input) {
    StopEvent stop;
    handle_signals(stop);
    raise_descriptor_limit();
    ::umask(027);
    ::mallopt(M_ARENA_MAX, 2);  // a thread per connection must not mean an arena each
    ::mallopt(M_TRIM_THRESHOLD, 256 << 10);
    auto first = receive_supervisor_message(input.control.get());
    if (!first) return;
    PrivilegedFiles& files = first->files;
    const bool is_cache = !options.upstream.url.empty();
    registry_client::Configuration upstream_configuration;
    if (is_cache) upstream_configuration = Upstream::read_configuration(options.upstream);
    lock_in(options);
    // From here on bytes of strangers may be read.

    Storage storage(".");
    Uploads uploads(storage);
    Quotas quotas(storage, options.quotas);
    Metrics metrics;
    AccessLog access_log(std::move(files.access_log));
    Collector collector(storage, options.collector);
    const auto own_keys = load_own_keys(options, files.auth);
    std::optional<Upstream> upstream;
    std::optional<EngineContents> engine;
    if (is_cache)
        upstream.emplace(Upstream::Parts{storage, uploads, metrics}, options.upstream,
                         upstream_configuration, files.upstream_password, files.upstream_authority);
    else if (input.store)
        engine.emplace(std::move(input.store));
    Contents& contents = upstream ? static_cast<Contents&>(*upstream)
                         : engine ? static_cast<Contents&>(*engine)
                                  : storage;
    Api api({contents, storage, uploads, quotas, metrics, access_log}, options.api,
            std::make_shared<const Auth>(options.auth, files.auth, own_keys));
    std::optional<TlsServer> tls;
    if (files.tls) tls.emplace(*files.tls);
    http::Limits limits;
    limits.header_bytes = 64 << 10;
    limits.silence_ms = 30'000;
    limits.idle_ms = 120'000;
    limits.bulk_silence_ms = 60'000;
    limits.send_ms = 60'000;
    limits.connections = options.connections;
    http::Server server([&](http::Exchange& exchange) { api.handle(exchange); }, limits);
    http::Server::Wrapper wrapper;
    if (tls) wrapper = [&](int socket) { return tls->wrap(socket); };
    for (Fd& socket : input.sockets) server.listen(std::move(socket), wrapper);
    Housekeeping housekeeping(uploads, collector, quotas, metrics, upstream ? &*upstream : nullptr,
                              options);
    follow_supervisor(input.control.get(), [&](SupervisorMessage message) {
        if (message.order == "collect") return housekeeping.collect_soon();
        auto auth = std::make_shared<const Auth>(options.auth, message.files.auth, own_keys);
        if (tls && message.files.tls) tls->reload(*message.files.tls);
        api.set_auth(std::move(auth));
        access_log.reopen(std::move(message.files.access_log));
        log::info("certificates, users, rights and keys are loaded anew");
    });
    send_order(input.control.get(), "ready");
    server.run(stop, 10'000);
    // The thread that follows the supervisor uses what would go now.
    ::_exit(0);
}

}  // namespace hull::registry
