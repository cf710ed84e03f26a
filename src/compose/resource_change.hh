#pragma once
#include "base/json.hh"
#include "compose/project.hh"
#include "compose/work.hh"

#include <functional>
#include <string>

namespace hull::compose {

/// Makes a network anew with the request `body`: containers in it keep running and are in the new
/// one afterwards, under the names they had. Throws, with the old network put back, when the new
/// one cannot be made.
void recreate_network(client::Client& daemon, const json::Value& found, const json::Value& body);

/// Asked before data is lost; false: it stays.
using Confirm = std::function<bool(const std::string& question)>;

/// Removes volumes whose definition changed, with the containers that use them, where `confirm`
/// says so; warns of the others. Call it before the state of the project is read.
void drop_changed_volumes(client::Client& daemon, const Work& work, const Project& project,
                          bool dry_run, const Confirm& confirm);

}  // namespace hull::compose
