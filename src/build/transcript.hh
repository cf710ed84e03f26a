#pragma once
#include "base/locked.hh"
#include "build/request.hh"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hull::build {

/// What a build tells its client. Stages run at the same time, and what they say comes in the order
/// of the Dockerfile: the first that is not done speaks at once, the others when it is their turn.
class Transcript {
public:
    /// `speakers` is the number of stages.
    Transcript(Sink sink, std::size_t speakers, bool quiet);

    void say(std::size_t speaker, std::string_view text);
    /// `speaker` has nothing more to say.
    void finish(std::size_t speaker);
    /// What `speaker` has said comes now, and nothing of the others any more: it has failed.
    void end_with(std::size_t speaker);

private:
    struct State {
        std::size_t turn = 0;
        std::vector<std::string> waiting;
        std::vector<bool> done;
    };
    void send(std::string_view text);

    const Sink sink_;
    const bool quiet_;
    Locked<State> state_;
};

}  // namespace hull::build
