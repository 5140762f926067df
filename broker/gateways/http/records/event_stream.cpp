#include "broker/gateways/http/records/event_stream.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "broker/gateways/http/server/problem.hpp"

namespace millrace::broker::http {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::chrono::seconds comment_interval{15};
constexpr std::string_view first_words = "retry: 2000\n\n";

std::string dumped(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

class EventStream final : public BodySource, public std::enable_shared_from_this<EventStream> {
  public:
    explicit EventStream(std::shared_ptr<TopicReader> reader) : reader_(std::move(reader)) {}

    void next(PieceDone done) override {
        if (is_over_ || reader_->is_outdated()) {
            done(std::nullopt);
            return;
        }
        if (!std::exchange(has_begun_, true)) {
            done(std::string(first_words));
            return;
        }
        reader_->next(
            comment_interval,
            [weak = weak_from_this(), done = std::move(done)](const Result<ReadPiece>& piece) {
                if (const auto self = weak.lock()) {
                    done(self->text_of(piece));
                }
            });
    }
    void stop() override {
        is_over_ = true;
        reader_->stop();
    }

  private:
    std::string text_of(const Result<ReadPiece>& piece) {
        if (!piece) {
            is_over_ = true;
            const auto status = status_of(piece.error().code);
            return "event: error\ndata: " + dumped(problem_json(status, piece.error())) + "\n\n";
        }
        std::string text;
        for (std::size_t i = 0; i < piece.value().records.size(); ++i) {
            text += "id: " + piece.value().positions[i] + "\ndata: " + piece.value().records[i] +
                    "\n\n";
        }
        for (const auto& gap : piece.value().gaps) {
            text += "id: " + format_positions(reader_->positions()) + "\nevent: gap\ndata: " +
                    dumped({{"partition", gap.partition_index},
                            {"from", gap.from.value},
                            {"to", gap.to.value},
                            {"detail", gap.why}}) +
                    "\n\n";
        }
        return text.empty() ? ": nothing new\n\n" : text;
    }

    std::shared_ptr<TopicReader> reader_;
    bool has_begun_ = false;
    bool is_over_ = false;
};

}  // namespace

std::shared_ptr<const void> take_place(std::shared_ptr<StreamOffice> office) {
    auto& places = *office;
    places.gauge->set(static_cast<std::int64_t>(++places.open));
    return {&places, [office = std::move(office)](const void*) {
                office->gauge->set(static_cast<std::int64_t>(--office->open));
            }};
}

std::shared_ptr<BodySource> make_event_stream(std::shared_ptr<TopicReader> reader) {
    return std::make_shared<EventStream>(std::move(reader));
}

}  // namespace millrace::broker::http
