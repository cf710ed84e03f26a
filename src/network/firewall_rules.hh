#pragma once
#include "network/firewall.hh"

#include <span>
#include <vector>

/// The table's fixed part, and how our values become its elements. Only firewall.cc needs it.
namespace hull::network::rules {

/// Chains, sets and rules.
void add_skeleton(linux_::NftBatch& batch, bool outside_through_input);

/// One set's elements.
struct Elements {
    const linux_::NftSet* set;
    std::vector<linux_::NftElement> elements;
};
std::vector<Elements> elements_of(const BridgeRules& rules);
std::vector<Elements> elements_of(std::span<const Forward> forwards);

}  // namespace hull::network::rules
