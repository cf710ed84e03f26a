SELECT 'answer ' || 6 * 7;
