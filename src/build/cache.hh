#pragma once
#include "base/locked.hh"
#include "base/stop.hh"
#include "build/step_inputs.hh"
#include "db/database.hh"
#include "image/images.hh"
#include "store/store.hh"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hull::build {

/// The result of one step. Never changed but for its use.
struct CacheRecord {
    std::string key;
    std::string parent;                      ///< key of the step before it
    std::string description;                 ///< "RUN make"
    std::optional<image::BuiltLayer> layer;  ///< absent: it changed no file
    std::int64_t created_ns = 0, used_ns = 0;
    std::int64_t uses = 0;
};

/// Results of steps by the hash of their inputs, in the database. A record whose layer is gone or
/// that cannot be read is a miss. Thread-safe.
class Cache {
public:
    /// `listings`: a directory for what steps took from their sources.
    Cache(db::Database& database, store::Store& store, Path listings);

    /// The lease keeps the layer of what is found.
    /// `damage` is told why a record that was there cannot be used.
    std::optional<CacheRecord> find(const std::string& key, store::Lease& lease,
                                    std::string* damage = nullptr);
    void add(CacheRecord record);

    /// What keeps its layers from garbage collection.
    store::Roots roots() const;
    std::vector<CacheRecord> list() const;
    /// A record as it is, without using it.
    std::optional<CacheRecord> peek(const std::string& key) const;
    /// Forgets records; their layers go with the next garbage collection.
    void remove(const std::vector<std::string>& keys);
    /// Whether anybody has the turn of that key, or of one that begins with it.
    bool is_in_use(const std::string& key) const;

    /// The inputs that the step at this place of this Dockerfile had the last time.
    std::optional<StepInputs> find_last_inputs(const std::string& slot);
    /// Remembers those it has now, unless they are the same.
    void write_last_inputs(const std::string& slot, const StepInputs& inputs);

    /// Equal steps of concurrent builds run once: whoever holds the turn of a key runs it, and the
    /// others wait. Throws cancelled on `stop`.
    class Turn {
    public:
        Turn(Cache& cache, std::string key, StopEvent& stop);
        ~Turn();
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        bool had_to_wait() const { return waited_; }

    private:
        Cache& cache_;
        const std::string key_;
        bool waited_ = false;
    };

private:
    void load();
    void forget_old_inputs();
    Path listing_path(const std::string& slot, const std::string& name) const;

    db::Database& database_;
    store::Store& store_;
    const Path listings_;
    mutable Locked<std::map<std::string, CacheRecord>> records_;
    struct Turns {
        std::map<std::string, int> holders;
    };
    mutable Locked<Turns> turns_;
    Locked<std::map<std::string, std::string>> last_keys_;  ///< by slot
};

}  // namespace hull::build
