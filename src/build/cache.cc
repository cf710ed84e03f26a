#include "build/cache.hh"

#include "base/error.hh"
#include "base/hash.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"

#include <poll.h>

namespace hull::build {

namespace {

constexpr db::Migration migrations[] = {
    {1,
     "CREATE TABLE build_cache(key TEXT PRIMARY KEY, parent TEXT NOT NULL, description TEXT NOT "
     "NULL, diff_id TEXT NOT NULL, blob TEXT NOT NULL, media_type TEXT NOT NULL, blob_bytes "
     "INTEGER NOT NULL, content_bytes INTEGER NOT NULL, created_ns INTEGER NOT NULL, used_ns "
     "INTEGER NOT NULL, uses INTEGER NOT NULL) WITHOUT ROWID;"
     "CREATE TABLE build_inputs(slot TEXT PRIMARY KEY, inputs TEXT NOT NULL, written_ns INTEGER "
     "NOT NULL) WITHOUT ROWID;",
     "DROP TABLE build_cache; DROP TABLE build_inputs;"},
};

constexpr int turn_poll_ms = 20;
constexpr std::int64_t second_ns = 1'000'000'000, inputs_kept_ns = 30 * 86'400 * second_ns;
constexpr std::size_t most_listing_bytes = 256UL << 20;

}  // namespace

Cache::Cache(db::Database& database, store::Store& store, Path listings)
    : database_(database), store_(store), listings_(std::move(listings)) {
    database_.migrate("build", migrations);
    sys::mkdir_all(listings_, 0700);
    forget_old_inputs();
    load();
}

/// Of Dockerfiles that nobody builds any more.
void Cache::forget_old_inputs() {
    const std::int64_t oldest_ns = now_ns() - inputs_kept_ns;
    database_.execute("DELETE FROM build_inputs WHERE written_ns<?", oldest_ns);
    for (const std::string& name : sys::list_directory(listings_)) {
        const auto info = sys::find_stat(join(listings_, name));
        if (info && info->st_mtim.tv_sec < oldest_ns / second_ns)
            sys::unlink(join(listings_, name));
    }
}

void Cache::load() {
    const auto records = records_.lock();
    for (auto& [key, parent, description, diff_id, blob, media_type, blob_bytes, content_bytes,
                created_ns, used_ns, uses] :
         database_
             .query<std::string, std::string, std::string, std::string, std::string, std::string,
                    std::uint64_t, std::uint64_t, std::int64_t, std::int64_t, std::int64_t>(
                 "SELECT key, parent, description, diff_id, blob, media_type, blob_bytes, "
                 "content_bytes, created_ns, used_ns, uses FROM build_cache")) {
        CacheRecord record{key, parent, description, std::nullopt, created_ns, used_ns, uses};
        if (!diff_id.empty())
            record.layer = image::BuiltLayer{diff_id, blob, media_type, blob_bytes, content_bytes};
        (*records)[key] = std::move(record);
    }
}

std::optional<CacheRecord> Cache::find(const std::string& key, store::Lease& lease,
                                       std::string* damage) {
    std::optional<CacheRecord> found;
    {
        const auto records = records_.lock();
        const auto record = records->find(key);
        if (record == records->end()) return std::nullopt;
        found = record->second;
    }
    if (found->layer) {
        lease.add_layer(found->layer->diff_id);
        lease.add_blob(found->layer->blob);
        if (!store_.find_layer(found->layer->diff_id) || !store_.find_blob(found->layer->blob)) {
            log::warning("the layer of build step {} is gone: it is built again",
                         found->description);
            remove({key});
            if (damage) *damage = "the layer of this step is gone from the cache";
            return std::nullopt;
        }
    }
    const std::int64_t now = now_ns();
    {
        const auto records = records_.lock();
        const auto record = records->find(key);
        if (record == records->end()) return std::nullopt;  // pruned in this moment
        record->second.used_ns = now;
        ++record->second.uses;
    }
    database_.execute("UPDATE build_cache SET used_ns=?, uses=uses+1 WHERE key=?", now, key);
    return found;
}

void Cache::add(CacheRecord record) {
    record.created_ns = record.used_ns = now_ns();
    const image::BuiltLayer layer = record.layer.value_or(image::BuiltLayer());
    database_.execute(
        "INSERT OR REPLACE INTO build_cache(key, parent, description, diff_id, blob, media_type, "
        "blob_bytes, content_bytes, created_ns, used_ns, uses) VALUES(?,?,?,?,?,?,?,?,?,?,?)",
        record.key, record.parent, record.description, layer.diff_id, layer.blob, layer.media_type,
        layer.blob_bytes, layer.content_bytes, record.created_ns, record.used_ns, record.uses);
    const auto records = records_.lock();
    (*records)[record.key] = std::move(record);
}

store::Roots Cache::roots() const {
    store::Roots roots;
    const auto records = records_.lock();
    for (const auto& [key, record] : *records)
        if (record.layer) {
            roots.layers.insert(record.layer->diff_id);
            roots.blobs.insert(record.layer->blob);
        }
    return roots;
}

std::optional<CacheRecord> Cache::peek(const std::string& key) const {
    const auto records = records_.lock();
    const auto found = records->find(key);
    if (found == records->end()) return std::nullopt;
    return found->second;
}

std::vector<CacheRecord> Cache::list() const {
    std::vector<CacheRecord> list;
    const auto records = records_.lock();
    for (const auto& [key, record] : *records) list.push_back(record);
    return list;
}

void Cache::remove(const std::vector<std::string>& keys) {
    db::Transaction transaction = database_.begin();
    for (const std::string& key : keys)
        database_.execute("DELETE FROM build_cache WHERE key=?", key);
    transaction.commit();
    const auto records = records_.lock();
    for (const std::string& key : keys) records->erase(key);
}

bool Cache::is_in_use(const std::string& key) const {
    const auto turns = turns_.lock();
    const auto holder = turns->holders.lower_bound(key);
    return holder != turns->holders.end() && holder->first.starts_with(key);
}

Path Cache::listing_path(const std::string& slot, const std::string& name) const {
    return join(listings_, sha256_hex(slot + '\0' + name));
}

std::optional<StepInputs> Cache::find_last_inputs(const std::string& slot) {
    const auto row =
        database_.query_one<std::string>("SELECT inputs FROM build_inputs WHERE slot=?", slot);
    if (!row) return std::nullopt;
    try {
        StepInputs inputs = StepInputs::parse(json::parse(std::get<0>(*row)));
        std::map<std::string, Listing> files;
        for (const auto& [name, value] : inputs.pairs()) {
            auto text = find_file(listing_path(slot, name), most_listing_bytes);
            if (!text) continue;
            // One of another time than the row says nothing.
            if (Listing listing(std::move(*text)); listing.digest() == value)
                files.emplace(name, std::move(listing));
        }
        inputs.set_files(std::move(files));
        return inputs;
    } catch (const Error& error) {
        log::warning("the inputs of a build step cannot be read: {}", error.message());
        return std::nullopt;
    }
}

void Cache::write_last_inputs(const std::string& slot, const StepInputs& inputs) {
    const std::string key = inputs.key();
    if (std::exchange(last_keys_.lock()->operator[](slot), key) == key) return;
    for (const auto& [name, listing] : inputs.files())
        replace_file(listing_path(slot, name), listing.text(), 0600);
    database_.execute("INSERT OR REPLACE INTO build_inputs(slot, inputs, written_ns) VALUES(?,?,?)",
                      slot, json::dump(inputs.to_json()), now_ns());
}

Cache::Turn::Turn(Cache& cache, std::string key, StopEvent& stop)
    : cache_(cache), key_(std::move(key)) {
    for (;;) {
        {
            const auto turns = cache_.turns_.lock();
            if (turns->holders.try_emplace(key_, 1).second) return;
        }
        waited_ = true;
        pollfd polled{stop.fd(), POLLIN, 0};
        if (::poll(&polled, 1, turn_poll_ms) > 0)
            throw Error(ErrorKind::cancelled, "the build was cancelled");
    }
}

Cache::Turn::~Turn() { cache_.turns_.lock()->holders.erase(key_); }

}  // namespace hull::build
