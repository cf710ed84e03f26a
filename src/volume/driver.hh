#pragma once
#include "base/file.hh"
#include "base/json.hh"
#include "volume/record.hh"

#include <memory>
#include <string>

namespace hull::volume {

/// Where volumes of one kind live: on this host, or with a plugin. Thread-safe; calls for one
/// volume come one at a time.
class Driver {
public:
    virtual ~Driver() = default;
    /// Checks and keeps what the volume needs. Throws invalid_argument with Docker's texts.
    virtual void create(const Volume& volume) = 0;
    /// Makes it gone for everybody. Returns a directory that is left to be deleted, or "".
    virtual Path remove(const Volume& volume) = 0;
    /// Where its files are, or will be once it is mounted; "" when only `mount` knows.
    virtual Path find_path(const Volume& volume) = 0;
    /// Makes its files reachable, and returns where.
    virtual Path mount(const Volume& volume, const std::string& user) = 0;
    /// Whether mount and unmount do anything at all for it.
    virtual bool needs_mount(const Volume& volume) = 0;
    virtual void unmount(const Volume& volume, const std::string& user) = 0;
    virtual std::string scope() { return "local"; }
    /// What the driver says about it beyond Docker's members; null: nothing.
    virtual json::Value status(const Volume&) { return {}; }
};

}  // namespace hull::volume
