#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/stand_ins/odoo_sim/records/database.hpp"

namespace millrace::stand_ins {

/// Sees to it that a body is posted.
using PostWebhook = std::function<void(const std::string& url, const std::string& body)>;

/// An automation rule whose action is a webhook.
struct Webhook {
    std::string model;
    std::string url;
    std::string action = "Send Webhook Notification";
    std::vector<std::string> fields;
    bool has_trigger_fields = false;  ///< one post a change instead of the measured 12 to 28
    bool is_on_unlink = false;        ///< else on create and write
};

/// Odoo's webhooks as they were measured: posted inside the transaction, before it commits, also of
/// one that is rolled back; twelve to twenty-eight times for one creation; never again.
class Webhooks {
  public:
    void use(PostWebhook post) { post_ = std::move(post); }
    void add(Webhook webhook) { webhooks_.push_back(std::move(webhook)); }
    void clear() { webhooks_.clear(); }
    /// A change was made; its transaction is open.
    void on_change(const Database& database, const RecordChange& change);
    [[nodiscard]] std::uint64_t posts() const { return posts_; }

  private:
    void post(const Database& database, const Webhook& webhook, const RecordChange& change);

    PostWebhook post_;
    std::vector<Webhook> webhooks_;
    std::uint64_t posts_ = 0;
};

}  // namespace millrace::stand_ins
