#pragma once
#include "engine/engine.hh"
#include "engine/record.hh"
#include "task/task.hh"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hull::engine {

enum class WaitCondition { not_running, next_exit, removed };

/// Owned by the engine until it is answered, and by the Waiter of the connection.
struct Waiter::State {
    explicit State(WaitCondition wanted);
    void answer(WaitResult result);

    const WaitCondition condition;
    Fd event;
    std::mutex mutex;
    std::optional<WaitResult> result;
};
using WaiterPointer = std::shared_ptr<Waiter::State>;

/// The newest record of a container. `get` waits for nobody: Container::mutex is held while a
/// change is written to the database, and image removal asks for records with the database in its
/// hands.
class PublishedRecord {
public:
    explicit PublishedRecord(RecordPointer first) : record_(std::move(first)) {}

    RecordPointer get() const {
        std::lock_guard lock(mutex_);
        return record_;
    }

    // The rest is for who holds Container::mutex.
    PublishedRecord& operator=(RecordPointer next) {
        std::lock_guard lock(mutex_);
        record_.swap(next);
        return *this;
    }
    operator RecordPointer() const { return record_; }
    const Record* operator->() const { return record_.get(); }
    const Record& operator*() const { return *record_; }

private:
    mutable std::mutex mutex_;
    RecordPointer record_;
};

/// One container in memory. Its pointer is shared by the table and by whoever works on it, so a
/// removed one stays valid until the last of them is done.
struct Container {
    explicit Container(RecordPointer first) : id(first->id()), record(std::move(first)) {}

    RecordPointer snapshot() const { return record.get(); }

    const std::string id;
    /// One life-cycle operation at a time; may be held while a shim is asked, so never take it in
    /// the task monitor's thread and never while holding `mutex`.
    std::mutex operation;

    /// Guards changes of everything below; never held across a call into a shim.
    std::mutex mutex;
    std::condition_variable changed;  ///< of `record`
    PublishedRecord record;
    bool starting = false;                       ///< Tasks::start has been called and not settled
    std::optional<task::ExitRecord> early_exit;  ///< came while `starting`
    bool removing = false;                       ///< an rm owns the end of this container
    bool removed = false;
    bool unsaved = false;       ///< the row is older than the record: the disk was full
    bool keep_on_exit = false;  ///< `restart` is between its stop and its start
    std::string last_signal;    ///< that a request had us send, in words; "" since its start: none
    std::int64_t backoff_ns = 0;
    std::uint64_t health_ticket = 0;        ///< a probe is void when this has moved on
    std::uint64_t restart_ticket = 0;       ///< a scheduled restart is void when this has moved on
    std::vector<task::Attachment> pending;  ///< clients that attached before the start
    std::vector<WaiterPointer> waiters;
    std::set<std::string> exec_ids;
};
using ContainerPointer = std::shared_ptr<Container>;

}  // namespace hull::engine
