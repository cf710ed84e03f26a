#pragma once
#include "base/json.hh"
#include "transfer/messages.hh"

namespace hull::transfer {

/// What the `git` program of this machine does for a build, in the directory it is started in.
/// `request["ask"]` is "commit": {"commit"} that `request["ref"]` ("" is the default branch) of
/// `request["url"]` stands for; or "checkout": the files of `request["commit"]` in ./tree, with
/// submodules if `submodules` and with .git if `keepGitDir`. `header` goes with http requests.
/// To be called in linux_::enter_tool_sandbox.
void git(const json::Value& request, Messages& messages);

}  // namespace hull::transfer
