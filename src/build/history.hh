#pragma once
#include "base/file.hh"
#include "base/locked.hh"
#include "build/record.hh"
#include "store/store.hh"

#include <atomic>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hull::build {

/// The last builds: what each step did and why, and all that they printed. One directory for each
/// build below the data root, with record.json and a log for each stage. Thread-safe.
class History {
public:
    /// Builds that a daemon before us was running are told to be interrupted.
    explicit History(Path directory);

    /// One build that runs. What it is told is on disk at once, but not synced; a full disk is no
    /// reason for a build to fail.
    class Entry {
    public:
        /// Throws conflict when the id is taken.
        Entry(History& history, BuildRecord record);
        /// Interrupted, unless finish() was called.
        ~Entry();
        Entry(const Entry&) = delete;
        Entry& operator=(const Entry&) = delete;

        void log(std::size_t stage, std::string_view text);
        /// From now on `text` is written to no log: it is a secret.
        void hide(std::string text);
        void add_step(StepRecord step);
        void set_failed(FailedStep failed);
        void set_step_count(std::size_t count);
        void set_waste(json::Value waste);
        void finish(BuildStatus status, const std::string& error, const std::string& image_id);
        const std::string& id() const { return id_; }
        std::int64_t started_ns() { return record_.lock()->started_ns; }
        std::vector<StepRecord> steps() { return record_.lock()->steps; }

    private:
        History& history_;
        const std::string id_;
        const Path directory_;
        Locked<BuildRecord> record_;
        Locked<std::map<std::size_t, Fd>> logs_;
        std::vector<std::string> hidden_;
        bool finished_ = false;
    };

    /// Newest first.
    std::vector<BuildRecord> list() const;
    /// By id or its beginning; "" is the newest. Throws not_found.
    BuildRecord get(std::string_view id) const;
    /// What the build printed, stage after stage.
    std::string log(const std::string& id) const;
    /// What failed steps have left, for garbage collection.
    store::Roots roots() const;

private:
    void forget_old();
    bool is_running(const std::string& id) const;
    std::vector<BuildRecord> read_all() const;
    void write(const BuildRecord& record) const;
    void keep(const BuildRecord& record);

    const Path directory_;
    mutable Locked<std::map<std::string, std::vector<image::BuiltLayer>>>
        kept_;  ///< of failed steps
    std::atomic<std::size_t> finished_ = 0;
};

}  // namespace hull::build
