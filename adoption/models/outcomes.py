"""What can come out of a stage's meeting, each with the words that people read for it (STAGE-3..6)."""

GAP_DECISIONS = {
    "retry": "Try again, with a new date",
    "email_review": "Review the checklist by email",
    "waive": "Leave this meeting out",
    "rescue": "Open a rescue plan",
}
ENGAGEMENTS = {"increasing": "Growing", "steady": "Steady", "decreasing": "Falling"}
SIDES = {"ours": "Ours", "customer": "Theirs", "both": "Both"}
INVESTMENTS = {"positive": "Positive", "neutral": "Neutral", "negative": "Negative"}
REFERENCES = {"yes": "Yes", "no": "No", "not_asked": "Not asked yet"}
DISENGAGEMENT_REASONS = {
    "early_disengagement": "They lost interest early",
    "knowledge_gaps": "They do not know how",
    "internal_situation": "Something inside their organization",
}
CAUSES = {
    "With us": {
        "relationship": "Relationship with us",
        "bugs": "Errors in the system",
        "workflow_errors": "Steps that do not fit their work",
        "improvement_wishes": "Wishes we have not met",
        "product_fit": "Another product fits better",
    },
    "With them": {
        "too_expensive": "Too expensive",
        "locations_closed": "Locations closed",
        "staff_reduced": "Fewer staff",
        "never_took_off": "Their business did not get going",
        "bankrupt": "Bankrupt",
        "acquired": "Bought by somebody else",
        "competitor": "Going to a competitor",
        "organisational": "Something else in their organization",
    },
}
ROOT_CAUSES = {name: words for causes in CAUSES.values() for name, words in causes.items()}
