#pragma once
#include "api/types/nullable.hh"
#include "base/json.hh"

#include <cstdint>
#include <string>

namespace hull::api {

/// SecretSpec: the body of POST /secrets/create.
struct SecretSpec {
    std::string name;
    StringMap labels = StringMap::none();
    std::string data;  ///< base64; never in a reply
};

/// One item of GET /secrets.
struct Secret {
    std::string id;
    std::uint64_t version = 1;  ///< Version.Index
    std::string created_at, updated_at;
    SecretSpec spec;  ///< without data
};

json::Value to_json(const SecretSpec&);
void from_json(const json::Value&, SecretSpec&);
json::Value to_json(const Secret&);
void from_json(const json::Value&, Secret&);

}  // namespace hull::api
