#include "base/error.hh"
#include "base/fd.hh"
#include "base/sys.hh"
#include "oci/digest.hh"
#include "store/store.hh"

#include <fcntl.h>
#include <sys/stat.h>

#include <set>

namespace hull::store {

namespace {

/// The digest of its content, of the kind that `digest` is.
std::string hash_of(const Path& file, std::string_view digest) {
    const Fd opened = sys::open(file, O_RDONLY | O_NOFOLLOW);
    oci::DigestHash hash(oci::Digest::parse(digest));
    std::vector<std::byte> buffer(256UL << 10);
    while (const std::size_t count = sys::read(opened.get(), buffer))
        hash.update(std::span(buffer).first(count));
    return hash.digest().str();
}

}  // namespace

/// Out of the database and out of memory, before its file goes.
void Store::forget(std::string_view table, const std::string& name) {
    const auto contents = contents_.lock();
    if (table == "blobs") {
        database_.execute("DELETE FROM blobs WHERE digest=?", name);
        contents->blobs.erase(name);
    } else {
        database_.execute("DELETE FROM layers WHERE diff_id=?", name);
        contents->layers.erase(name);
    }
}

void Store::check_blobs(bool repair, bool verify, std::vector<Fault>& faults) {
    std::set<std::string> known;
    for (const Blob& blob : list_blobs()) {
        const Path file = blob_file(blob.digest);
        const auto info = sys::find_stat(file);
        known.insert(blob.digest);
        Fault fault{"", blob.digest, "", "forgotten: the next pull fetches it", false};
        if (!info) {
            fault.code = "missing-blob";
            fault.text = "its file is gone";
        } else if (static_cast<std::uint64_t>(info->st_size) != blob.size) {
            fault.code = "damaged-blob";
            fault.text = fmt::format("it has {} bytes instead of {}", info->st_size, blob.size);
        } else if (verify && hash_of(file, blob.digest) != blob.digest) {
            fault.code = "damaged-blob";
            fault.text = "its content is not what its digest says";
        } else {
            continue;
        }
        if (repair) {
            forget("blobs", blob.digest);
            if (info) sys::remove_tree(file);
            fault.repaired = true;
        }
        faults.push_back(std::move(fault));
    }
    for (const auto& [digest, file] : list_blob_files()) {
        if (known.contains(digest)) continue;
        Fault fault{"stray-blob", digest.substr(digest.find(':') + 1), "no record knows this file",
                    "removed", false};
        if (repair) {
            sys::remove_tree(file);
            fault.repaired = true;
        }
        faults.push_back(std::move(fault));
    }
}

void Store::check_layers(bool repair, std::vector<Fault>& faults) {
    std::set<std::string> known;
    for (const Layer& layer : list_layers()) {
        known.insert(layer.diff_id);
        if (snapshotter_->exists(layer.diff_id)) continue;
        Fault fault{"missing-layer", layer.diff_id, "its file is gone",
                    "forgotten: the next pull or load brings it", false};
        if (repair) {
            forget("layers", layer.diff_id);
            fault.repaired = true;
        }
        faults.push_back(std::move(fault));
    }
    for (const std::string& diff_id : snapshotter_->list()) {
        if (known.contains(diff_id)) continue;
        Fault fault{"stray-layer", diff_id, "no record knows this layer", "removed", false};
        if (repair) {
            snapshotter_->remove(diff_id, trash_);
            fault.repaired = true;
        }
        faults.push_back(std::move(fault));
    }
}

std::vector<Fault> Store::check(bool repair, bool verify) {
    std::vector<Fault> faults;
    {
        const std::lock_guard adopting(adopt_mutex_);
        const std::lock_guard collecting(collect_mutex_);
        check_blobs(repair, verify, faults);
        check_layers(repair, faults);
        if (repair) database_.sync();
    }
    if (repair) empty_trash();
    return faults;
}

}  // namespace hull::store
