#include "base/advice.hh"

#include <gtest/gtest.h>

namespace hull {

TEST(Advice, SaysWhatToDoWithWhatTheMessageNames) {
    struct {
        ErrorKind kind;
        std::string_view message, code, next;
    } const cases[] = {
        {ErrorKind::not_found, "Error response from daemon: No such container: web",
         "no-such-container", "hull ps -a lists all containers"},
        {ErrorKind::conflict,
         "Conflict. The container name \"/web\" is already in use by container \"12ab\". You have "
         "to remove",
         "name-in-use", "choose another --name, or remove the old one: hull rm /web"},
        {ErrorKind::not_found, "No such image: a:1\nmore", "no-such-image",
         "hull images lists what is here; hull pull a:1 gets it"},
        {ErrorKind::data_loss, "layer sha256:ab is missing", "data-loss",
         "something in the store is damaged: hull system fsck says what"},
        {ErrorKind::internal, "", "internal", "the daemon's log says more"},
    };
    for (const auto& [kind, message, code, next] : cases) {
        SCOPED_TRACE(message);
        const Advice advice = find_advice(kind, message);
        EXPECT_EQ(advice.code, code);
        EXPECT_EQ(advice.next, next);
    }
}

}  // namespace hull
