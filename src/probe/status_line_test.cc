#include "probe/status_line.hh"

#include <gtest/gtest.h>

namespace hull::probe {

TEST(StatusLine, IsTheCodeAndNothingElse) {
    struct {
        std::string_view answer;
        std::optional<int> status;
    } const cases[] = {
        {"HTTP/1.1 200 OK\r\n", 200},
        {"HTTP/1.0 503 ", 503},
        {"HTTP/1.1 204\r\n", 204},
        {"HTTP/1.1 404", 404},
        {"HTTP/1.1 099 ", std::nullopt},
        {"HTTP/1.1 2000", std::nullopt},
        {"HTTP/1.1 20", std::nullopt},
        {"HTTP/1.1  200 OK", std::nullopt},
        {"HTTP/1.1 +20 OK", std::nullopt},
        {"HTTP/2.0 200 OK", std::nullopt},
        {"SSH-2.0-OpenSSH_9.2", std::nullopt},
        {"", std::nullopt},
    };
    for (const auto& [answer, status] : cases) {
        SCOPED_TRACE(answer);
        EXPECT_EQ(find_status(answer), status);
    }
}

}  // namespace hull::probe
