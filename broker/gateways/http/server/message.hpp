#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::broker::http {

enum class Method : std::uint8_t { get, head, post, put, patch, del, options, other };
/// As it stands in a request: "GET".
[[nodiscard]] std::string_view name_of(Method method) noexcept;

using NamedTexts = std::vector<std::pair<std::string, std::string>>;

/// One request, whole.
struct Request {
    Method method = Method::get;
    std::string target;  ///< as it came
    NamedTexts headers;  ///< names in lower case
    std::string body;
    bool has_length = false;  ///< says how long its body is
    std::string peer;

    [[nodiscard]] std::optional<std::string_view> header(std::string_view lower_name) const;
};
using RequestPtr = std::shared_ptr<const Request>;

/// A body that comes piece by piece, for as long as both sides want.
///
/// Promise:  `done` runs once per call of `next`; a piece is asked for when the one before has
/// left,
///           so a slow reader costs one piece of memory.
/// Threads:  the control thread.
class BodySource {
  public:
    BodySource() = default;
    BodySource(const BodySource&) = delete;
    BodySource& operator=(const BodySource&) = delete;
    BodySource(BodySource&&) = delete;
    BodySource& operator=(BodySource&&) = delete;
    virtual ~BodySource() = default;

    using PieceDone = std::function<void(std::optional<std::string> piece)>;
    /// The next piece; nothing at the end.
    virtual void next(PieceDone done) = 0;
    /// Nobody listens any more.
    virtual void stop() = 0;
};

struct Response {
    unsigned status = 200;
    std::string content_type = "application/json";
    NamedTexts headers;
    std::string body;
    std::shared_ptr<BodySource> source;  ///< instead of `body`
};

/// Takes the answer of one request, once, on the control thread.
using Respond = std::function<void(Response)>;
using Handler = std::function<void(RequestPtr, Respond)>;

}  // namespace millrace::broker::http
