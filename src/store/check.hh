#pragma once
#include <string>

namespace hull::store {

/// Something in the store that is not as it should be.
struct Fault {
    std::string code;    ///< "stray-blob"
    std::string object;  ///< digest, diffID or file
    std::string text;    ///< what is wrong
    std::string repair;  ///< what a repair does
    bool repaired = false;
};

}  // namespace hull::store
