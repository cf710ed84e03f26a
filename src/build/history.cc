#include "build/history.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"

#include <algorithm>

namespace hull::build {

namespace {

constexpr std::size_t most_builds = 100, most_failed_kept = 5, forget_every = 10;
constexpr std::string_view log_prefix = "log.";

/// A record or a log is a help, and never the reason why a build fails.
template <typename Body>
void try_quietly(Body&& body) noexcept {
    try {
        body();
    } catch (const std::exception& error) {
        log::warning("writing the history of builds: {}", error.what());
    }
}

}  // namespace

History::History(Path directory) : directory_(std::move(directory)) {
    sys::mkdir_all(directory_, 0700);
    for (BuildRecord& record : read_all()) {
        if (record.status == BuildStatus::running) {
            record.status = BuildStatus::interrupted;
            record.error = "the daemon ended";
            try_quietly([&] { write(record); });
        }
        keep(record);
    }
}

void History::keep(const BuildRecord& record) {
    if (!record.failed) return;
    const auto kept = kept_.lock();
    (*kept)[record.id] = record.failed->layers;
}

void History::write(const BuildRecord& record) const {
    replace_file(join(join(directory_, record.id), "record.json"), json::dump(to_json(record)),
                 0600);
}

std::vector<BuildRecord> History::read_all() const {
    std::vector<BuildRecord> records;
    for (const std::string& id : sys::list_directories(directory_)) {
        try {
            records.push_back(parse_build_record(
                json::parse(read_file(join(join(directory_, id), "record.json")))));
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::not_found)
                log::warning("the record of build {} cannot be read: {}", id, error.message());
        }
    }
    std::sort(records.begin(), records.end(),
              [](const BuildRecord& left, const BuildRecord& right) {
        return std::tie(left.started_ns, left.id) > std::tie(right.started_ns, right.id);
    });
    return records;
}

bool History::is_running(const std::string& id) const {
    for (const BuildRecord& record : read_all())
        if (record.id == id) return record.status == BuildStatus::running;
    return false;
}

std::vector<BuildRecord> History::list() const { return read_all(); }

BuildRecord History::get(std::string_view id) const {
    for (BuildRecord& record : read_all())
        if (record.id.starts_with(id)) return std::move(record);
    if (id.empty()) throw Error(ErrorKind::not_found, "nothing was built here yet");
    throw Error(ErrorKind::not_found, "no such build: {}", id);
}

std::string History::log(const std::string& id) const {
    const Path directory = join(directory_, id);
    std::vector<std::size_t> stages;
    for (const std::string& name : sys::list_directory(directory))
        if (name.starts_with(log_prefix))
            stages.push_back(std::stoul(name.substr(log_prefix.size())));
    std::sort(stages.begin(), stages.end());
    std::string text;
    for (const std::size_t stage : stages)
        text += find_file(join(directory, fmt::format("{}{}", log_prefix, stage)), 1UL << 30)
                    .value_or("");
    return text;
}

store::Roots History::roots() const {
    store::Roots roots;
    const auto kept = kept_.lock();
    for (const auto& [id, layers] : *kept)
        for (const image::BuiltLayer& layer : layers) {
            roots.layers.insert(layer.diff_id);
            roots.blobs.insert(layer.blob);
        }
    return roots;
}

/// The oldest go, and of failed builds all but the last few lose what their step had left.
void History::forget_old() {
    std::size_t count = 0, failed = 0;
    for (BuildRecord& record : read_all()) {
        if (record.status == BuildStatus::running) continue;
        if (++count > most_builds) {
            kept_.lock()->erase(record.id);
            sys::remove_tree(join(directory_, record.id));
        } else if (record.failed && ++failed > most_failed_kept) {
            kept_.lock()->erase(record.id);
            record.failed.reset();
            write(record);
        }
    }
}

// ---------------------------------------------------------------- one build

History::Entry::Entry(History& history, BuildRecord record)
    : history_(history), id_(record.id), directory_(join(history.directory_, record.id)) {
    // A client whose build was refused may try again.
    if (sys::find_stat(directory_) && history_.is_running(id_))
        throw Error(ErrorKind::conflict, "there is a build {} already", id_);
    try_quietly([&] {
        sys::remove_tree(directory_);
        sys::mkdir(directory_, 0700);
        history_.write(record);
    });
    const auto kept = record_.lock();
    *kept = std::move(record);
}

History::Entry::~Entry() {
    if (!finished_) finish(BuildStatus::interrupted, "", "");
}

void History::Entry::log(std::size_t stage, std::string_view text) {
    try_quietly([&] {
        const auto logs = logs_.lock();
        Fd& file = (*logs)[stage];
        if (!file)
            file = sys::open(join(directory_, fmt::format("{}{}", log_prefix, stage)),
                             O_WRONLY | O_CREAT | O_APPEND, 0600);
        std::string shown(text);
        for (const std::string& secret : hidden_)
            for (std::size_t at = 0; (at = shown.find(secret, at)) != std::string::npos;)
                shown.replace(at, secret.size(), "***");
        sys::write_all(file.get(), shown);
    });
}

void History::Entry::hide(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    constexpr std::size_t least_bytes = 4;  // shorter ones are everywhere
    if (text.size() >= least_bytes) hidden_.push_back(std::move(text));
}

void History::Entry::add_step(StepRecord step) { record_.lock()->steps.push_back(std::move(step)); }

void History::Entry::set_failed(FailedStep failed) { record_.lock()->failed = std::move(failed); }

void History::Entry::set_step_count(std::size_t count) { record_.lock()->step_count = count; }

void History::Entry::set_waste(json::Value waste) { record_.lock()->waste = std::move(waste); }

void History::Entry::finish(BuildStatus status, const std::string& error,
                            const std::string& image_id) {
    finished_ = true;
    const auto record = record_.lock();
    record->status = status;
    record->error = error;
    record->image_id = image_id;
    record->duration_ns = now_ns() - record->started_ns;
    std::stable_sort(
        record->steps.begin(), record->steps.end(),
        [](const auto& left, const auto& right) { return left.number < right.number; });
    try_quietly([&] {
        history_.write(*record);
        history_.keep(*record);
        if (record->failed || ++history_.finished_ % forget_every == 0) history_.forget_old();
    });
}

}  // namespace hull::build
