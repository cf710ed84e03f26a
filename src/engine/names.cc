#include "engine/names.hh"

#include <sys/random.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace hull::engine {

namespace {

constexpr std::string_view adjectives[] = {
    "able",     "amber",   "ample",    "avid",     "azure",   "balmy",    "basic",    "blithe",
    "bold",     "brave",   "breezy",   "bright",   "brisk",   "calm",     "candid",   "cheery",
    "chief",    "civil",   "clear",    "clever",   "coastal", "cosmic",   "cozy",     "crisp",
    "curious",  "daring",  "deep",     "deft",     "dewy",    "eager",    "early",    "earnest",
    "easy",     "even",    "fabled",   "fair",     "famed",   "fearless", "fiery",    "firm",
    "fleet",    "fluent",  "fond",     "frank",    "fresh",   "frosty",   "gentle",   "glad",
    "gleaming", "golden",  "graceful", "grand",    "green",   "hardy",    "hazel",    "hearty",
    "honest",   "humble",  "ideal",    "jaunty",   "jolly",   "keen",     "kind",     "lasting",
    "lively",   "lofty",   "loyal",    "lucid",    "lucky",   "lunar",    "mellow",   "merry",
    "mighty",   "mild",    "modest",   "neat",     "nimble",  "noble",    "northern", "novel",
    "open",     "patient", "peaceful", "placid",   "plucky",  "polar",    "polite",   "prime",
    "proud",    "quick",   "quiet",    "rapid",    "ready",   "regal",    "robust",   "rosy",
    "rustic",   "sable",   "sage",     "salty",    "serene",  "sharp",    "shiny",    "silent",
    "silver",   "sincere", "sleek",    "smooth",   "snug",    "solar",    "solid",    "spry",
    "stable",   "stately", "steady",   "sterling", "stout",   "sturdy",   "sunny",    "sure",
    "swift",    "tidal",   "tidy",     "tranquil", "trim",    "true",     "trusty",   "upbeat",
    "valiant",  "vast",    "velvet",   "vivid",    "warm",    "wise",     "witty",    "zesty",
};

// Ships, what they carry and where they go.
constexpr std::string_view nouns[] = {
    "anchor",     "argosy",    "atoll",   "ballast",   "barge",     "bark",      "bay",
    "beacon",     "boom",      "bosun",   "bow",       "breaker",   "brig",      "buoy",
    "cape",       "capstan",   "caravel", "cargo",     "carrack",   "catamaran", "channel",
    "chart",      "clipper",   "coaster", "cog",       "compass",   "coracle",   "corvette",
    "crest",      "current",   "cutter",  "deck",      "dhow",      "dinghy",    "dock",
    "dolphin",    "dory",      "drifter", "eddy",      "estuary",   "fathom",    "felucca",
    "ferry",      "fjord",     "frigate", "galleon",   "galley",    "gannet",    "gull",
    "gunwale",    "halyard",   "harbor",  "haven",     "helm",      "heron",     "hold",
    "inlet",      "island",    "jetty",   "jib",       "junk",      "kayak",     "keel",
    "ketch",      "knot",      "lagoon",  "lantern",   "launch",    "league",    "lighter",
    "lighthouse", "liner",     "log",     "longship",  "lugger",    "mainsail",  "marlin",
    "mast",       "meridian",  "mooring", "narwhal",   "navigator", "oar",       "ocean",
    "osprey",     "outrigger", "packet",  "paddle",    "pelican",   "petrel",    "pier",
    "pilot",      "pinnace",   "polaris", "port",      "privateer", "prow",      "quay",
    "raft",       "reef",      "rigging", "rudder",    "sail",      "sampan",    "schooner",
    "seal",       "sextant",   "shallop", "shoal",     "skerry",    "skiff",     "skipper",
    "sloop",      "sound",     "spar",    "spindrift", "spinnaker", "squall",    "starboard",
    "steamer",    "stern",     "strait",  "tern",      "tide",      "tiller",    "topsail",
    "trawler",    "trimaran",  "tug",     "voyage",    "wake",      "wave",      "whaler",
    "wharf",      "windlass",  "yawl",
};

std::uint32_t random_number() {
    std::uint32_t value = 0;
    while (::getrandom(&value, sizeof value, 0) != sizeof value) {
    }
    return value;
}

bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

bool is_valid_name(std::string_view name) {
    if (name.size() < 2 || !is_alphanumeric(name.front())) return false;
    return std::all_of(name.begin() + 1, name.end(), [](char c) {
        return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
    });
}

std::string make_random_name(const std::function<bool(const std::string&)>& is_free) {
    for (int attempt = 0;; ++attempt) {
        std::string name(adjectives[random_number() % std::size(adjectives)]);
        name += '_';
        name += nouns[random_number() % std::size(nouns)];
        if (attempt >= 6) name += std::to_string(random_number() % 100000);
        if (is_free(name)) return name;
    }
}

}  // namespace hull::engine
